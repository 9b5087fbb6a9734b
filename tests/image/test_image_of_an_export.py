"""An image whose environment the build makes itself, of an export and of conda channels."""

import json

import pytest
from conda_channel import kept_channel
from pandas.testing import assert_frame_equal

from dai_spark import ScoringPipeline
from dai_spark.envbuild.packages.export_requirements import from_export
from dai_spark.envbuild.python import conda_channels

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

IMAGE = "localhost/dai-spark:test-export"


@pytest.fixture(scope="module")
def lock(context, export):
    """A lock of the channel's packages, beside the export."""
    wanted = from_export(ScoringPipeline(export()))
    path = context / "our.lock"
    path.write_text(conda_channels.write_lock(conda_channels.solve(wanted, [kept_channel()])))
    return path


@pytest.fixture(scope="module")
def image(build, lock):
    """The name of the image: its Python 3.8 is a channel's, since the base system has none."""
    return build(
        IMAGE, REFERENCE="scorer.zip", CONDA_CHANNELS=kept_channel(), CONDA_LOCK="our.lock"
    )


def test_it_scores_what_it_was_built_of(run, image, data, scores_of, own_flight_scores):
    """Locked like the other one; bit for bit, though nothing but an export was given."""
    job = ("spark-submit", "--master", "local[2]", "/opt/dai_spark/jobs/score_table.py")
    tables = ("--source", "parquet:/data/flights.parquet", "--target", "delta:/data/out/export")
    run(*job, "--pipeline", "/data/scorer.zip", *tables, "--keep", "flight_id", image=image)
    found = scores_of(data / "out" / "export")
    assert_frame_equal(found, own_flight_scores.sort_index(), check_exact=True)


def test_its_environment_says_where_it_is_from(run, image, lock):
    """Of the channel's packages and the index's, with the libraries that the base lacks."""
    folder = "/opt/dai_spark/environment"
    told = json.loads(run("cat", f"{folder}/dai_spark_environment.json", image=image).stdout)
    assert told["built_from"] == "conda"
    assert told["core_version"] == "1.10.7.3"
    assert told["packages"]["lightgbm"] == "3.3.5"
    assert "/linux-64/numpy-1.22.0-" in lock.read_text()
    assert run("cat", f"{folder}/dai_spark_conda.lock", image=image).stdout == lock.read_text()
    assert "libgomp.so.1" in run("ls", f"{folder}/lib", image=image).stdout
    # Nothing of the pipeline stays.
    assert (
        run("find", "/", "-xdev", "-name", "*scoring_h2oai*", image=image, check=False).stdout == ""
    )
