"""The lanes of the matrix: which Spark, Python and libraries are tried together, and why."""

import datetime
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple

# What requirements-dev.in has, so that `make test` tries it each time.
DEFAULT = "spark-4.1.1-py3.13"
N_A_DAY = 2


@dataclass(frozen=True)
class Lane:
    """One environment and what is scored in it.

    Attributes
    ----------
    name : str
    python : str
        Minor version of driver and workers.
    spark : str or None
        Version of the package `pyspark`; None for the ways that want no Spark.
    pins : tuple of str
        Requirements beside dai_spark's own; without any the newest that these allow are taken.
    settings : dict
        What the classic session is started with.
    dai : str
        Line of Driverless AI, which decides the pipeline's Python and libraries.
    tables : tuple of str
        Jars of the formats of tables that are written and read, too, as Maven names them.
    """

    name: str
    python: str
    spark: Optional[str] = None
    pins: Tuple[str, ...] = ()
    settings: Dict[str, str] = field(default_factory=dict)
    dai: str = "1.10"
    tables: Tuple[str, ...] = ()


def _newest(spark: str, python: str) -> Lane:
    return Lane(f"spark-{spark}-py{python}", python, spark)


def _least(spark: str, python: str, *pins: str) -> Lane:
    """The least versions that dai_spark and this Spark allow, on a Python that has wheels of them.

    None of these wheels can be imported beside numpy 2, which their metadata do not say.
    """
    return Lane(f"spark-{spark}-py{python}-least", python, spark, (*pins, "numpy<2"))


def _pipeline(dai: str, spark: str, python: str) -> Lane:
    """A pipeline of another Python than the others' 3.8, with the newest libraries of Spark's."""
    return Lane(f"spark-{spark}-py{python}-dai-{dai}", python, spark, dai=dai)


def _tables(spark: str, python: str, *tables: str) -> Lane:
    """Delta and Iceberg where they have jars for this Spark; those of 4.1 are in the suite."""
    return Lane(f"spark-{spark}-py{python}-tables", python, spark, tables=tables)


LANES: Tuple[Lane, ...] = (
    _newest("3.5.9", "3.9"),
    _newest("3.5.9", "3.10"),
    _newest("3.5.9", "3.11"),
    _newest("4.0.5", "3.9"),
    _newest("4.0.5", "3.10"),
    _newest("4.0.5", "3.12"),
    # Delta's newest jar for 4.1 was made with 4.1.1; 4.1.4 is the newest Spark of that line.
    _newest("4.1.1", "3.13"),
    _newest("4.1.4", "3.13"),
    _newest("4.2.1", "3.12"),
    _newest("4.3.0", "3.12"),
    _newest("4.3.0", "3.13"),
    _newest("4.1.1", "3.14"),
    _newest("4.3.0", "3.14"),
    _least("3.5.9", "3.9", "pandas==1.5.0", "pyarrow==4.0.0"),
    _least("4.0.5", "3.10", "pandas==2.0.0", "pyarrow==11.0.0"),
    _least("4.1.1", "3.10", "pandas==2.2.0", "pyarrow==15.0.0"),
    _least("4.2.1", "3.10", "pandas==2.2.0", "pyarrow==18.0.0"),
    _least("4.3.0", "3.11", "pandas==2.2.0", "pyarrow==18.0.0"),
    # The oldest pipeline with the newest Spark, and the other way round.
    _pipeline("1.8", "4.3.0", "3.13"),
    _pipeline("1.11", "3.5.9", "3.9"),
    _tables(
        "3.5.9",
        "3.11",
        "io.delta:delta-spark_2.12:3.3.2",
        "org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.10.1",
    ),
    _tables(
        "4.0.5",
        "3.12",
        "io.delta:delta-spark_4.0_2.13:4.4.0",
        "org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.11.0",
    ),
    # Of Iceberg there is no jar for 4.2 yet, and for 4.3 of neither.
    _tables("4.2.1", "3.12", "io.delta:delta-spark_4.2_2.13:4.4.0"),
    # Without daemons Spark 4.1.1 fails any Python job on Python 3.12 and later.
    Lane(
        "spark-4.1.1-py3.11-no-daemon",
        "3.11",
        "4.1.1",
        settings={"spark.python.use.daemon": "false"},
    ),
    Lane(
        "spark-4.1.1-py3.13-worker-memory",
        "3.13",
        "4.1.1",
        settings={"spark.executor.pyspark.memory": "2g"},
    ),
    Lane("pandas-3-py3.13", "3.13", pins=("pandas>=3",)),
)


def chosen(names: List[str]) -> List[Lane]:
    """The lanes of these names, or all of them.

    Raises
    ------
    SystemExit
        No lane has one of the names.
    """
    known = {lane.name: lane for lane in LANES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"No lane is called {', '.join(unknown)}; there are {', '.join(known)}.")
    return [known[name] for name in names] or list(LANES)


def of_day(day: datetime.date) -> List[Lane]:
    """Two lanes beside the default one, of different parts of the list, which has like by like.

    In half as many days as there are lanes each has its turn.
    """
    others = [lane for lane in LANES if lane.name != DEFAULT]
    apart = len(others) // N_A_DAY
    return [others[(day.toordinal() + i * apart) % len(others)] for i in range(N_A_DAY)]
