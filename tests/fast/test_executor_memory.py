"""A container that is too small for its scorers is told before the job, with the number to set."""

import pytest

from dai_spark.plan.executor_memory import memory_doubt
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import Description, ScoringPlan, ShippedFile

MIB = 1 << 20
FILE = ShippedFile("path", "it", "0" * 64, "it")


def plan(scorer_bytes, start_method="spawn", **options):
    """A plan whose scorer was measured."""
    described = Description((), (), None, {}, 1.0, scorer_bytes, {}, start_method)
    return ScoringPlan(FILE, FILE, "", (), None, ScoringOptions(**options), described)


def doubt(scorer_mib, settings, **words):
    """What is said on YARN unless the settings name another master."""
    given = {f"spark.{name}": value for name, value in settings.items()}
    return memory_doubt(plan(scorer_mib * MIB, **words), {"spark.master": "yarn", **given}.get)


FOUR = {"executor.cores": "4"}


@pytest.mark.parametrize(
    ("settings", "limit_mib"),
    [
        # Spark's least, a tenth of the heap, and what somebody chose.
        ({}, 384),
        ({"executor.memory": "8g"}, 819),
        ({"executor.memory": "8g", "executor.memoryOverheadFactor": "0.4"}, 3276),
        ({"executor.minMemoryOverhead": "500m"}, 500),
        ({"executor.memoryOverhead": "2g"}, 2048),
        ({"executor.memoryOverhead": "2048"}, 2048),
        ({"executor.memoryOverhead": "2097152k"}, 2048),
        ({"executor.memoryOverhead": "1gb", "executor.pyspark.memory": "1g"}, 2048),
        ({"executor.memoryOverhead": "2g", "master": "k8s://https://cluster:6443"}, 2048),
    ],
)
def test_the_limit_is_what_spark_asks_for_beside_the_jvm(settings, limit_mib):
    """A MiB more than it holds is told, and what it holds is not."""
    assert doubt(limit_mib, settings) is None
    assert "spark.executor.memoryOverhead" in doubt(limit_mib + 1, settings)


def test_it_goes_by_task_slots():
    """Cores by the cpus of a task, and no more than max_scorers."""
    assert "up to 4 of them" in doubt(97, FOUR)
    assert doubt(96, FOUR) is None
    assert doubt(190, {**FOUR, "task.cpus": "2"}) is None
    assert doubt(190, FOUR, max_scorers=2) is None


def test_the_number_to_set_is_enough():
    """With it nothing is said any more; memory of Python's own counts."""
    for settings in (FOUR, {**FOUR, "executor.pyspark.memory": "512m"}):
        said = doubt(1000, settings)
        number = said.partition("spark.executor.memoryOverhead to ")[2].partition(",")[0]
        assert int(number[:-1]) >= 4000 - 512
        assert doubt(1000, {**settings, "executor.memoryOverhead": number}) is None


@pytest.mark.parametrize("master", ["local[4]", "spark://host:7077", "local-cluster[2,4,1024]"])
def test_nothing_is_said_where_nobody_limits(master):
    """Local mode has no container, and a standalone worker does not look."""
    assert doubt(10_000, {"master": master}) is None


def test_forked_scorers_share():
    """It is an upper bound then, and says so."""
    assert "share what was loaded" in doubt(1000, FOUR, start_method="fork")
    assert "share" not in doubt(1000, FOUR)
