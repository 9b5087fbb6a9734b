"""Two executors with working folders of their own: what is shipped, loaded once, and left."""

from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def run(
    run_program,
    padded_export,
    export,
    packed_environment,
    license_file,
    flights_parquet,
    fresh_cache,
):
    """One application that scores in every way, loses an executor, and stops."""
    return run_program(
        "local_cluster.py",
        {
            "pipeline": padded_export,
            "slow_pipeline": export(score_seconds=0.5),
            "env": packed_environment.path,
            "license_file": license_file,
            "flights": flights_parquet,
        },
        cache=fresh_cache,
    )


def test_it_ran(run):
    print(run.seconds, run.stderr)
    print(run.findings)
    assert 0
