"""What happens to tables in a year, drawn: every run is right, or refuses and changes nothing."""

import pytest
from linear import build_linear
from living_table import KINDS
from table_life import TableLife

# One kind in CI; a kind with a log takes more than a minute.
_SHORT = [("files", 0, 15), pytest.param("delta", 0, 30, marks=pytest.mark.long)]
_LONG = [
    pytest.param(kind, seed, 100, marks=pytest.mark.long) for kind in KINDS for seed in range(1, 6)
]


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Two pipelines by the number that they multiply by."""
    folder = tmp_path_factory.mktemp("linear")
    return {
        weight: build_linear(folder / f"{weight}.zip", weight=weight, name=f"w{weight}")
        for weight in (2, 3)
    }


@pytest.fixture
def few_tasks(spark):
    """Tables of ten rows want no more."""
    settings = {"spark.sql.shuffle.partitions": "2"}
    before = {name: spark.conf.get(name) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.set(name, value)


@pytest.mark.parametrize(("kind", "seed", "n_steps"), [*_SHORT, *_LONG])
def test_each_run_is_right_or_refuses(
    spark, few_tasks, kind, seed, n_steps, exports, with_scorer, tmp_path
):
    """The target is what plain Python says, whatever was done to source and target before."""
    spark.sql("CREATE NAMESPACE IF NOT EXISTS ice.db")
    life = TableLife(spark, kind, tmp_path, seed, with_scorer, exports)
    life.live(n_steps)
    print(dict(life.counts), *life.refusals.items(), *life.told, sep="\n")
    n_right = sum(n for how, n in life.counts.items() if how not in ("refused", "killed"))
    # To refuse is no way to keep a promise.
    assert n_right > 2 * life.counts["refused"]
