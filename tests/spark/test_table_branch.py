"""--target-branch: readers see a run's rows when all checks have passed, and at once."""

from pathlib import Path
from uuid import uuid4

import pytest
from linear import build_linear
from living_table import LivingTable

from dai_spark import score_table
from dai_spark.errors import ContractError, OptionError, TableJobError
from dai_spark.table_job.targets.audit_branch import AuditBranch


@pytest.fixture
def source(spark, tmp_path):
    """An Iceberg table of three rows."""
    spark.sql("CREATE NAMESPACE IF NOT EXISTS ice.db")
    table = LivingTable(spark, "iceberg", tmp_path)
    table.make([(1, 0, 1, 1.0), (2, 1, 2, 2.0), (3, 0, 3, 3.0)])
    return table


@pytest.fixture
def job(spark, source, with_scorer, tmp_path):
    """The job from it to an Iceberg table, over a branch."""
    target = f"ice.db.w{uuid4().hex[:8]}"
    export = build_linear(tmp_path / "2.zip", weight=2)

    def run(**words):
        given = {"source": source.text, "target": target, "target_branch": "audit", "key": ["id"]}
        return score_table(export, **with_scorer, spark=spark, progress=False, **{**given, **words})

    run.target = target
    run.scores = lambda name=target: sorted(
        tuple(row) for row in spark.sql(f"SELECT id, prediction.y FROM {name}").collect()
    )
    return run


def _branches(spark, name):
    return {row["name"] for row in spark.sql(f"SELECT name FROM {name}.refs").collect()}


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("merge", marks=pytest.mark.long),
        pytest.param("overwrite", marks=pytest.mark.long),
        "append",
    ],
)
def test_readers_see_what_has_passed_all_checks(spark, source, job, tmp_path, mode):
    """The first run, one that waits on its branch, one that breaks its contract, one that passes.

    What was not published was not done: the next run scores the same rows.
    """
    words = {"mode": mode}
    if mode == "append":
        words.update(incremental="since", since="t")
    report = job(**words, verify=3)
    assert (report.status, report.n_scored, report.verified) == ("done", 3, (3, 0))
    assert report.checks[-1].what == "published"
    before = [(1, 2.0), (2, 4.0), (3, 6.0)]
    assert job.scores() == before
    assert _branches(spark, job.target) == {"main"}
    assert job(**words).status in ("already done", "nothing to do")

    source.insert([(4, 1, 4, 4.0)])
    n_new = 1 if mode == "append" else 4
    after = [*before, (4, 8.0)]
    waits = job(**words, publish=False)
    assert (waits.n_scored, waits.checks[-1].outcome) == (n_new, "warning")
    assert job.scores() == before
    assert job.scores(f"{job.target}.branch_audit") == after

    contract = Path(tmp_path, "contract.toml")
    contract.write_text("[rows]\nmin = 100\n")
    with pytest.raises(ContractError):
        job(**words, contract=str(contract))
    assert job.scores() == before

    assert job(**words).n_scored == n_new
    assert job.scores() == after
    assert _branches(spark, job.target) == {"main"}


def test_what_another_writer_adds_meanwhile_stays(spark, source, job, monkeypatch):
    """Main has gone on since the branch was made: the run says so, and its repetition is right."""
    job(mode="merge")
    source.insert([(4, 1, 4, 4.0)])
    publish = AuditBranch.publish

    def overtaken(branch):
        spark.sql(f"DELETE FROM {job.target} WHERE id = 1")
        publish(branch)

    with monkeypatch.context() as patched:
        patched.setattr(AuditBranch, "publish", overtaken)
        with pytest.raises(TableJobError, match=r"on branch audit .* another writer has changed"):
            job(mode="merge")
    assert job.scores() == [(2, 4.0), (3, 6.0)]
    assert job(mode="merge").status == "done"
    assert job.scores() == [(1, 2.0), (2, 4.0), (3, 6.0), (4, 8.0)]


def test_what_cannot_be_meant_is_refused(job, tmp_path):
    """A table without branches, and names that are none."""
    with pytest.raises(TableJobError, match="has no branches"):
        job(target=f"delta:{tmp_path}/target")
    for name in ("main", "a b", "a.b", ""):
        with pytest.raises(OptionError, match="names no branch"):
            job(target_branch=name)
    with pytest.raises(OptionError, match="--no-publish wants --target-branch"):
        job(target_branch=None, publish=False)
