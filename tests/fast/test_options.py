"""Options, licence and table names: arguments that are refused before anything starts."""

import dataclasses
import os
import pickle
import typing

import numpy as np
import pytest

from dai_spark.artifacts.license import License, find_license, read_license
from dai_spark.errors import LicenseError, OptionError
from dai_spark.local.lease import Limits
from dai_spark.plan.option_arguments import OptionArguments
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import ScoringPlan, ShippedFile
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.settings.job_arguments import JobArguments
from dai_spark.table_job.table_name import TableName


@pytest.mark.parametrize(
    "words",
    [
        {"start_method": "thread"},
        {"udf_type": "scalar"},
        {"nan": "drop"},
        {"batch_rows": 0},
        {"start_timeout_s": 0},
        {"batch_timeout_s": -1},
        {"idle_timeout_s": float("nan")},
        {"env_vars": {"A": 1}},
        {"env_vars": {"A=B": "1"}},
        {"env_vars": {"A": "\0"}},
        {"env_vars": {"A": "\ud800"}},
        {"env_vars": "A"},
        {"group_by": 5},
        {"threshold": "0.5", "labels": True},
        {"threshold": float("nan"), "labels": True},
        {"threshold": True, "labels": True},
        *(
            {name: value}
            for name in ("start_timeout_s", "batch_timeout_s", "idle_timeout_s")
            for value in (float("nan"), float("inf"), -1, 0, True, "10", None, 1e9, [1])
        ),
        *(
            {name: value}
            for name in (
                *("batch_rows", "batch_bytes", "max_group_bytes", "max_scorers"),
                *("max_batches_per_scorer", "max_scorer_memory_bytes"),
            )
            for value in (0, -1, True, 1.0, "5", float("nan"), 2**63, np.float64(3), np.True_)
        ),
        {"max_scorers": 20_000_000},
        *(
            {name: value}
            for name in (
                *("margin", "fast_approx", "apply_data_recipes", "labels", "intervals"),
                *("deterministic", "diagnose", "contributions"),
            )
            for value in ("no", 1, 0.0, [])
        ),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(words):
    """The message names the option."""
    with pytest.raises(OptionError, match=next(iter(words))):
        ScoringOptions.resolve(None, words)


def test_numbers_of_numpy_are_numbers():
    """They become Python's own, which travel as JSON and pickle everywhere."""
    options = ScoringOptions(
        batch_rows=np.int64(7), max_scorers=np.int32(2), batch_timeout_s=np.float32(1.5)
    )
    assert (options.batch_rows, options.max_scorers, options.batch_timeout_s) == (7, 2, 1.5)
    assert [type(v) for v in (options.batch_rows, options.batch_timeout_s)] == [int, float]
    assert ScoringOptions(margin=np.True_).margin is True
    assert ScoringOptions(start_timeout_s=5).start_timeout_s == 5
    with pytest.raises(OptionError, match=r"max_scorers=20000000 .* from 1 to 10,000"):
        ScoringOptions(max_scorers=20_000_000)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0, -1, True, "1", 1e9])
def test_a_calls_limit_that_cannot_be_meant_is_refused(value):
    """As an option's."""
    with pytest.raises(OptionError, match="^timeout_s"):
        Limits(value, None)
    with pytest.raises(OptionError, match="queue_timeout_s"):
        Limits(None, value)


def test_an_editor_is_shown_the_options_that_there_are():
    """The keywords that a call offers are the fields of the options, and none besides."""
    fields = {field.name: field for field in dataclasses.fields(ScoringOptions)}
    assert list(OptionArguments.__annotations__) == list(fields)
    hints, own = typing.get_type_hints(OptionArguments), typing.get_type_hints(ScoringOptions)
    wider = {"group_by", "order_by"}
    assert {n for n in hints if hints[n] != own[n]} == wider


def test_an_editor_is_shown_the_settings_of_a_job():
    """`score_table` takes what a job has and what the options are, by the same names."""
    explicit = {"pipeline", "env", "source", "target"}
    fields = {field.name for field in dataclasses.fields(TableJob)} - explicit
    options = {field.name for field in dataclasses.fields(ScoringOptions)}
    assert set(typing.get_type_hints(JobArguments)) == fields | options


def test_an_unknown_option_is_refused_with_those_that_exist():
    """A misspelt option is not passed over."""
    with pytest.raises(OptionError, match="unknown option batchrows; the options are .*batch_rows"):
        ScoringOptions.resolve(None, {"batchrows": 1})


def test_keywords_lie_over_given_options():
    """A call's own keyword beats the options object."""
    options = ScoringOptions.resolve(ScoringOptions(batch_rows=5, margin=True), {"batch_rows": 7})
    assert (options.batch_rows, options.margin) == (7, True)


def test_a_licence_is_never_shown():
    """Neither repr nor str nor an f-string of a licence, or of a plan with one, holds its text."""
    text = "c2VjcmV0LWxpY2VuY2U="
    license = License(text)
    file = ShippedFile("path", "a", "d", "a")
    plan = ScoringPlan(file, file, "bin/python", (), license, ScoringOptions())
    assert text not in f"{license!r} {license} {plan!r} {plan.key(license)}"
    assert pickle.loads(pickle.dumps(plan)).license.reveal() == text


def test_the_key_of_a_sidecar_tells_licences_apart():
    """Nobody scores with a sidecar that another licence has started; calls' options change none."""
    file = ShippedFile("path", "a", "d", "a")
    plan = ScoringPlan(file, file, "bin/python", (), None, ScoringOptions())
    margin = ScoringPlan(file, file, "bin/python", (), None, ScoringOptions(margin=True))
    spawn = ScoringPlan(file, file, "bin/python", (), None, ScoringOptions(start_method="spawn"))
    one, other = License("one"), License("other")
    assert len({plan.key(None), plan.key(one), plan.key(other), spawn.key(None)}) == 4
    assert plan.key(one) == margin.key(License("one\n"))


def refuse(uri):
    raise AssertionError(uri)


def test_a_licence_is_read_from_text_file_or_uri(tmp_path):
    """All three ways give the same licence."""
    file = tmp_path / "license.sig"
    file.write_text("abc\n")
    assert read_license("abc", None, refuse) == License("abc")
    assert read_license(None, str(file), refuse) == License("abc")
    assert read_license(None, "s3a://b/license.sig", lambda uri: b"abc") == License("abc")


def test_a_licence_that_is_not_there_is_said():
    """A wrong path, an empty text and two licences at once are refused in a sentence."""
    with pytest.raises(LicenseError, match=r"/no/such/file cannot be read"):
        read_license(None, "/no/such/file", refuse)
    with pytest.raises(LicenseError, match="empty"):
        read_license(" ", None, refuse)
    with pytest.raises(OptionError, match="both"):
        read_license("a", "b", refuse)


def test_a_licence_is_looked_for_where_driverless_ai_looks(tmp_path, monkeypatch):
    """File variable, then key variable, then the file in the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_license({}) is None
    home = tmp_path / ".driverlessai" / "license.sig"
    home.parent.mkdir()
    home.write_text("home")
    named = tmp_path / "named.sig"
    named.write_text("named")
    key = {"DRIVERLESS_AI_LICENSE_KEY": "key"}
    assert find_license({}) == License("home")
    assert find_license(key) == License("key")
    assert find_license({**key, "DRIVERLESS_AI_LICENSE_FILE": str(named)}) == License("named")
    assert os.environ["HOME"] == str(tmp_path)


@pytest.mark.parametrize(
    ("text", "format", "name"),
    [
        ("lake.db.customers", None, "lake.db.customers"),
        ("parquet:/data/x", "parquet", "/data/x"),
        ("parquet:s3a://bucket/x", "parquet", "s3a://bucket/x"),
    ],
)
def test_table_names_are_read(text, format, name):
    """A catalog's table, or a format with a path."""
    assert TableName.of(text) == TableName(text, format, name)


@pytest.mark.parametrize("text", ["", "/data/x", "s3a://bucket/x"])
def test_a_name_of_no_table_is_refused(text):
    """What is neither is refused with the forms that exist."""
    with pytest.raises(OptionError, match="give a catalog table .* or FORMAT:PATH"):
        TableName.of(text)


BASE = {"pipeline": "p.zip", "env": "e.tar.gz", "source": "s", "target": "t"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"mode": "upsert"}, "fail, append, overwrite"),
        ({"mode": "merge"}, "merge wants --key"),
        ({"incremental": "missing", "mode": "append"}, "missing wants --key"),
        ({"incremental": "since", "mode": "append"}, "since wants --since COLUMN"),
        ({"incremental": "since", "since": "d", "mode": "overwrite"}, "wants --mode append or"),
        ({"incremental": "changes", "key": "k", "mode": "append"}, "wants --mode merge"),
        ({"checkpoint": "c"}, "--checkpoint wants --incremental stream"),
        ({"max_bad_rows": "5"}, "--max-bad-rows wants --quarantine"),
        ({"max_bad_rows": "few", "quarantine": "q"}, "neither a number of rows nor a percentage"),
        ({"source_version": "1", "source_timestamp": "2"}, "both given"),
        ({"key": "id", "keep": "a,b"}, "--keep leaves out id"),
        ({"verify": 5}, "--verify wants --key"),
        ({"quarantin": "q"}, "did you mean quarantine"),
        *(({"n_files": value}, "n_files=.* from 1 to") for value in (0, True, "5", 1.5, 10**9)),
        *(({"max_file_rows": value}, "max_file_rows=.* from 1 to") for value in (0, True, 2**64)),
        *(({"verify": value, "key": "k"}, "verify=.* from 0 to") for value in (-1, None, 10**9)),
        *(
            ({"overlap_timeout_s": value}, "overlap_timeout_s=.* at most")
            for value in (0, float("nan"), float("inf"), True, "1")
        ),
        *(({"fail_on_drift": value}, "fail_on_drift=") for value in (-1, float("nan"), "x", True)),
        ({"max_bad_rows": "9" * 5000, "quarantine": "q"}, "neither a number of rows nor"),
        ({"max_bad_rows": True, "quarantine": "q"}, "neither a number of rows nor"),
        ({"source": ""}, "lacks source"),
    ],
)
def test_a_job_that_cannot_be_meant_is_refused(words, told):
    """One sentence, before Spark is asked for anything."""
    if isinstance(words.get("keep"), str):
        words = {**words, "keep": words["keep"].split(",")}
    with pytest.raises(OptionError, match=told):
        TableJob.of({**BASE, **words})


@pytest.mark.parametrize(
    ("said", "n_rows", "allowed"), [("7", 10, 7), ("0.5%", 1000, 5), ("1%", 50, 0), (None, 9, 9)]
)
def test_the_number_of_bad_rows_allowed(said, n_rows, allowed):
    """A number, or a percentage rounded down; with a quarantine and no limit all of them."""
    job = TableJob.of({**BASE, "quarantine": "q", "max_bad_rows": said})
    assert job.bad_rows_allowed(n_rows) == allowed
    assert TableJob.of(BASE).bad_rows_allowed(n_rows) == 0


def test_only_what_changes_the_rows_changes_a_jobs_digest():
    """Reports, licences and run ids do not; a condition, a mode or an option of scoring does."""

    def digest(**words):
        return TableJob.of({**BASE, **words}).digest("folder file:/source")

    how = {"report": "r.json", "license_file": "l", "run_id": "1", "job_name": "nightly"}
    layout = {"n_files": 4, "partition_by": ["day"], "evolve_schema": True, "key": ["id"]}
    for words in (how, layout, {"source": "another spelling"}, {"mode": "append"}):
        assert digest(**words) == digest()
    for word, value in (("where", "a > 1"), ("mode", "overwrite"), ("margin", True)):
        assert digest(**{word: value}) != digest()
    assert TableJob.of(BASE).digest("folder file:/another") != digest()


def test_a_job_that_has_its_name_from_the_target_knows_it():
    """So that two spellings of a target do not make two jobs."""
    job = TableJob.of(BASE)
    assert (job.job_name, job.has_default_name) == (f"score {job.target}", True)
    other = dataclasses.replace(
        job, target="delta:/lake/t", job_name="" if job.has_default_name else "other"
    )
    assert (other.job_name, other.has_default_name) == ("score delta:/lake/t", True)
    assert not TableJob.of({**BASE, "job_name": "nightly"}).has_default_name
