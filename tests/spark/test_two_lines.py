"""Two notebooks of one cluster, each with a pipeline of another line of Driverless AI."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from dai_spark import score_dataframe, score_udf
from dai_spark.environments import build_environment
from dai_spark.local.unpacked_python import unpacked_python

# Lines apart are shown by tests/sidecar/test_lines.py, sessions at once by tests/cluster.
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

BUILD = Path(__file__).resolve().parents[2] / "build"
N_ROUNDS = 3


@pytest.fixture(scope="module")
def old_line():
    """The environment of DAI 1.8, whose Python is 3.6."""
    return build_environment(BUILD / "dai-1.8.tar.zst", dai="1.8")


def test_both_score_at_once_with_their_own_python(
    spark, flights, export, own_scorer, packed_environment, license_file, old_line
):
    """Bit for bit, as a DataFrame and as a function, cell after cell; neither sees the other."""
    old_python = unpacked_python(old_line.path)
    old = export(dai_version="1.8.8", python=old_python)
    with own_scorer(old, python=old_python) as own:
        old_scores = own.score(flights)
    with own_scorer(export()) as own:
        scores = own.score(flights)
    assert not old_scores.equals(scores)
    notebooks = [(old, old_line, old_scores), (export(), packed_environment, scores)]

    def cells(notebook):
        pipeline, environment, expected = notebook
        session = spark.newSession()
        words = {"env": environment.path, "license_file": license_file}
        frame = session.createDataFrame(flights).repartition(2)
        found = []
        for _ in range(N_ROUNDS):
            found.append(score_dataframe(frame, pipeline, keep=["flight_id"], **words))
            score = score_udf(pipeline, spark=session, **words)
            found.append(frame.select("flight_id", score().alias("prediction")))
        expected = expected.set_index(flights["flight_id"]).sort_index()
        for one in found:
            rows = one.select("flight_id", "prediction.*").toPandas()
            assert_frame_equal(rows.set_index("flight_id").sort_index(), expected, check_exact=True)

    with ThreadPoolExecutor(len(notebooks)) as threads:
        for done in [threads.submit(cells, one) for one in notebooks]:
            done.result(timeout=500)
