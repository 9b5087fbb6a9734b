"""The licence is in nothing that an operator sees, of jobs that go well and of jobs that fail."""

import json
import os
from pathlib import Path

import pytest

# What is in each place for certain, so that a search that finds nothing is a search that works.
SURELY = {
    "conf": "dai_spark licence search",
    "command lines": "{application}",
    "pages": "dai_spark licence search",
    "event log": "dai_spark licence search",
    "driver": "shipping",
    "reports": "prediction",
    "error": "raise_in_score",
    "executor logs": "{application}",
    "sidecar logs": "Scorer() constructed",
    "cache": "load_s",
}


def texts_of(folder, pattern="*"):
    return [
        path.read_bytes().decode("utf-8", "replace")
        for path in sorted(folder.rglob(pattern))
        if path.is_file()
    ]


@pytest.fixture(scope="module")
def places(table_jobs):
    """All texts of each kind of place."""
    found = table_jobs.findings
    cache = Path(os.environ["DAI_SPARK_CACHE"])
    return {
        "conf": [json.dumps([found["conf"], found["sql_conf"]])],
        "command lines": found["command_lines"],
        "pages": texts_of(table_jobs.out / "pages"),
        "event log": texts_of(table_jobs.out / "events"),
        "driver": [
            table_jobs.stdout,
            table_jobs.stderr,
            *(j["err"] for j in found["jobs"].values()),
        ],
        "reports": [job["out"] for job in found["jobs"].values()],
        "error": [found["error"]],
        "executor logs": texts_of(table_jobs.work, "std*"),
        "sidecar logs": list(table_jobs.sidecar_logs().values()),
        "cache": [*texts_of(cache / "described"), *texts_of(cache / "pipelines", "pipeline.json")],
    }


@pytest.mark.parametrize("place", SURELY)
def test_the_licence_is_not_there(place, places, table_jobs, license_text):
    """Neither the whole text nor its seal, in a place where the search does find what is there."""
    surely = SURELY[place].format(application=table_jobs.findings["application"])
    assert sum(surely in text for text in places[place]) > 0
    for secret in (license_text, license_text.rpartition(".")[2]):
        assert len(secret) > 40
        for text in places[place]:
            where = text.find(secret)
            assert where == -1, text[max(0, where - 300) : where]


def test_the_pages_were_seen(places):
    """Environment, SQL, stages, jobs and the REST interface were really read."""
    paths = {text.partition("\n")[0] for text in places["pages"]}
    for start in ("/environment/", "/SQL/execution/?id=", "/stages/stage/?id=", "/jobs/job/?id="):
        assert [path for path in paths if path.startswith(start)], start
    rest = [text for text in places["pages"] if text.startswith("/api/v1/")]
    assert [text for text in rest if "/environment\n" in text and "sparkProperties" in text]
    assert [text for text in rest if "/sql?" in text and "MapInArrow" in text]


def test_no_file_holds_it(table_jobs, license_text):
    """Nothing that the whole run wrote, its own scratch folders among it, holds the licence."""
    seal = license_text.rpartition(".")[2].encode()
    for path in table_jobs.folder.rglob("*"):
        if path.is_file() and not path.is_relative_to(table_jobs.folder / "spark" / "jars"):
            assert seal not in path.read_bytes(), path
