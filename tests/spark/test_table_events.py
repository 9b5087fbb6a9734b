"""A run told to a data catalogue: OpenLineage events, by the file transport of its own library."""

import json
from uuid import UUID

import pytest
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

from dai_spark import score_table
from dai_spark.errors import TableExistsError

SECRET = "hush-hush"


@pytest.fixture
def run(spark, export, with_scorer, flights, tmp_path, monkeypatch):
    """The job from ten flights to a Delta table, whose events go into a file."""
    flights.head(10).to_parquet(f"{tmp_path}/source")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "file")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", f"{tmp_path}/events.jsonl")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__APPEND", "true")
    monkeypatch.setenv("DATABASE_PASSWORD", SECRET)

    def call(**words):
        return score_table(
            export(),
            **with_scorer,
            **{
                "spark": spark,
                "source": f"parquet:{tmp_path}/source",
                "source_options": {"password": SECRET},
                "target": f"delta:{tmp_path}/target",
                "keep": ["flight_id"],
                "job_name": "nightly",
                "openlineage": True,
                **words,
            },
        )

    return call


def events(folder):
    """What lies in the file, each event made anew of the standard's own classes."""
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    for one in found:
        RunEvent(
            eventType=RunState[one["eventType"]],
            eventTime=one["eventTime"],
            run=Run(runId=one["run"]["runId"]),
            job=Job(namespace=one["job"]["namespace"], name=one["job"]["name"]),
            producer=one["producer"],
        )
    return found


def test_a_run_tells_its_start_its_end_and_its_failure(run, tmp_path, license_file):
    """With columns, versions, rows and what the run was held to; a second try is another run."""
    (tmp_path / "contract.toml").write_text("[rows]\nmin = 3", encoding="utf-8")
    report = run(contract=f"{tmp_path}/contract.toml")
    assert (report.status, report.n_rows) == ("done", 10)
    with pytest.raises(TableExistsError) as raised:
        run(run_id="another")
    begun, done, again, failed = events(tmp_path)
    kinds = [one["eventType"] for one in (begun, done, again, failed)]
    assert kinds == ["START", "COMPLETE", "START", "FAIL"]
    assert begun["run"]["runId"] == done["run"]["runId"] != failed["run"]["runId"]
    UUID(begun["run"]["runId"])
    for one in (begun, done, again, failed):
        assert one["job"]["name"] == "nightly"
        assert one["job"]["facets"]["jobType"]["processingType"] == "BATCH"
        ((source,), (target,)) = one["inputs"], one["outputs"]
        assert (source["namespace"], source["name"]) == ("file", f"{tmp_path}/source")
        assert (target["namespace"], target["name"]) == ("file", f"{tmp_path}/target")
        names = {field["name"]: field["type"] for field in source["facets"]["schema"]["fields"]}
        assert names["carrier"] == "string"
    ((source,), (target,)) = done["inputs"], done["outputs"]
    assert source["facets"]["version"]["datasetVersion"] == report.source_version
    assert target["facets"]["version"]["datasetVersion"] == "0"
    fields = {field["name"]: field for field in target["facets"]["schema"]["fields"]}
    assert [one["name"] for one in fields["prediction"]["fields"]] == ["late.no", "late.yes"]
    assert target["outputFacets"]["outputStatistics"]["rowCount"] == 10
    quality = source["inputFacets"]["dataQualityMetrics"]
    assert quality["rowCount"] == 10
    assert quality["columnMetrics"]["distance"]["nullCount"] == 0
    assert source["inputFacets"]["dataQualityAssertions"]["assertions"][0]["success"] is True
    assert failed["run"]["facets"]["errorMessage"]["message"] == raised.value.message
    text = (tmp_path / "events.jsonl").read_text(encoding="utf-8")
    for secret in (SECRET, license_file.read_text(encoding="utf-8").strip()):
        assert secret not in text


def test_what_cannot_be_sent_fails_no_run(run, monkeypatch, tmp_path):
    """A server that is not there, and settings that cannot be meant: told, and the run goes on."""
    told = []
    first = run(mode="append", run_id="one", on_message=told.append)
    assert not any("OpenLineage" in text for text in told)
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", f"{tmp_path}/no/folder/events")
    second = run(mode="append", run_id="two", on_message=told.append)
    assert [one.status for one in (first, second)] == ["done", "done"]
    lost = [text for text in told if "OpenLineage event" in text]
    assert [text.split()[3] for text in lost] == ["START", "COMPLETE"]
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "pigeon")
    assert run(mode="append", run_id="two", on_message=told.append).status == "already done"
    assert told[-1].startswith("no OpenLineage events: ") or any(
        text.startswith("no OpenLineage events: ") for text in told
    )
