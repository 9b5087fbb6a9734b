"""Writes docs/types.md: each Spark type through a real session to a real pipeline, and what came.

``python tests/types_page.py`` from the project's folder; a test holds the page to what happens.
"""

import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

from echo import VARIABLE, build_echo, last_given

from dai_spark import score_dataframe
from dai_spark.driver.progress.messages import log_message
from dai_spark.errors import ColumnError, DaiSparkError, from_spark

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "types.md"

# A type, and two values of it as SQL writes them; a null goes with them.
TYPES = {
    "boolean": ("true", "false"),
    "tinyint": ("CAST(-7 AS TINYINT)", "CAST(127 AS TINYINT)"),
    "smallint": ("CAST(-7 AS SMALLINT)", "CAST(300 AS SMALLINT)"),
    "int": ("-7", "70000"),
    "bigint": ("-7L", "9007199254740992L"),
    "float": ("CAST(0.1 AS FLOAT)", "CAST('NaN' AS FLOAT)"),
    "double": ("0.1D", "CAST('Infinity' AS DOUBLE)"),
    "decimal(9,2)": ("CAST(0.10 AS DECIMAL(9,2))", "CAST(-1234567.89 AS DECIMAL(9,2))"),
    "decimal(38,18)": ("CAST(0.1 AS DECIMAL(38,18))", "CAST(12.5 AS DECIMAL(38,18))"),
    "string": ("'NA'", "''"),
    "char(3)": ("'ab'", "'abc'"),
    "varchar(3)": ("'ab'", "'abc'"),
    "date": ("DATE'2020-05-08'", "DATE'1969-12-31'"),
    "timestamp": ("TIMESTAMP'2020-05-08 17:30:00'", "TIMESTAMP'1969-12-31 23:59:59'"),
    "timestamp_ntz": ("TIMESTAMP_NTZ'2020-05-08 17:30:00'", "TIMESTAMP_NTZ'1969-12-31 23:59:59'"),
    "interval day to second": ("INTERVAL '1' DAY", "INTERVAL '2' DAY"),
    "interval year to month": ("INTERVAL '1' YEAR", "INTERVAL '2' YEAR"),
    "binary": ("X'00'", "X'FF'"),
    "variant": ("parse_json('1')", "parse_json('\"a\"')"),
    "array<int>": ("array(1)", "array(2)"),
    "map<string,int>": ("map('a', 1)", "map('b', 2)"),
    "struct<a:int>": ("named_struct('a', 1)", "named_struct('a', 2)"),
    "void": ("NULL", "NULL"),
}
KINDS = ("number", "text")
# A type, what the pipeline wants, a value that fits and one that does not.
MISFITS = (
    ("bigint", "number", "7L", "9007199254740993L"),
    ("decimal(38,18)", "number", "0.5BD", "CAST('0.123456789012345678' AS DECIMAL(38,18))"),
    ("string", "number", "' 1.5 '", "'ten'"),
    ("timestamp", "text", "TIMESTAMP'2020-05-08 17:30:00'", "TIMESTAMP'2020-05-08 17:30:00.25'"),
)


class Outcome(NamedTuple):
    """What a column's values came to: as what the pipeline got them, or why not."""

    dtype: str
    values: Tuple[str, ...]
    refusal: str


class Looked:
    """Sends columns to the echo pipeline through a session.

    Parameters
    ----------
    spark : SparkSession
    env : str or PackedEnvironment
    folder : Path
        Empty; pipelines and what they wrote lie in it.
    """

    def __init__(self, spark: Any, env: Any, folder: Path) -> None:
        self._spark, self._env, self._folder = spark, env, folder
        self._n = 0

    def send(self, frame: Any, wanted: List[Tuple[str, str]], **options: Any) -> Dict[str, Outcome]:
        """Score a frame of one partition; what the pipeline got of each column."""
        scored, told = self.scored(frame, wanted, **options)
        scored.write.format("noop").mode("overwrite").save()
        return {
            name: Outcome(dtype, tuple(values), "")
            for name, (dtype, values) in last_given(told).items()
        }

    def scored(self, frame: Any, wanted: List[Tuple[str, str]], **options: Any) -> Tuple[Any, Path]:
        """The plan that scores a frame, and the file that the pipeline will write."""
        self._n += 1
        told = self._folder / f"told-{self._n}"
        path = self._folder / f"{abs(hash(tuple(wanted)))}.zip"
        if not path.exists():
            build_echo(path, wanted)
        options = {"env_vars": {VARIABLE: str(told)}, **options}
        return score_dataframe(frame, path, self._env, on_message=log_message, **options), told


def type_outcomes(spark: Any, looked: Looked) -> Dict[Tuple[str, str], Outcome]:
    """For each type and each kind of column that a pipeline declares: what becomes of it."""
    outcomes: Dict[Tuple[str, str], Outcome] = {}
    taken, wanted = [], []
    for name, values in TYPES.items():
        table = _table(spark, name, values)
        for kind in KINDS:
            column = f"{kind}_{len(outcomes)}"
            one = table.withColumnRenamed("c", "column")
            try:
                looked.scored(one, [("column", kind)])
            except ColumnError as error:
                outcomes[name, kind] = Outcome("", (), _why(error))
                continue
            outcomes[name, kind] = Outcome(column, (), "")
            taken.append(table.withColumnRenamed("c", column))
            wanted.append((column, kind))
    joined = taken[0]
    for table in taken[1:]:
        joined = joined.join(table, "row")
    got = looked.send(joined.coalesce(1).sortWithinPartitions("row"), wanted)
    return {
        key: outcome if outcome.refusal else got[outcome.dtype] for key, outcome in outcomes.items()
    }


def misfit_outcomes(spark: Any, looked: Looked) -> Dict[Tuple[str, str, str], Outcome]:
    """For each kind of value that may not fit, what each choice of `on_cast` makes of it."""
    outcomes = {}
    for name, kind, fitting, misfit in MISFITS:
        table = _table(spark, name, (fitting, misfit)).coalesce(1).sortWithinPartitions("row")
        table = table.withColumnRenamed("c", "column")
        for on_cast in ("error", "warn", "null"):
            try:
                got = looked.send(table, [("column", kind)], on_cast=on_cast)["column"]
            except Exception as error:
                ours = error if isinstance(error, DaiSparkError) else from_spark(error)
                if not isinstance(ours, ColumnError):
                    raise
                got = Outcome("", (), _why(ours))
            outcomes[name, misfit, on_cast] = got
    return outcomes


def _table(spark: Any, name: str, values: Tuple[str, str]) -> Any:
    """Rows 0 to 2 of a column `c` of that type, the last one null."""
    rows = ", ".join(f"({i}, {value})" for i, value in enumerate((*values, "NULL")))
    if not name.startswith(("char", "varchar")):
        return spark.sql(f"SELECT row, CAST(c AS {name}) AS c FROM VALUES {rows} AS t(row, c)")
    # These are types of tables alone.
    table = f"types_page_{re.sub('[^a-z0-9]', '_', name)}"
    spark.sql(f"DROP TABLE IF EXISTS {table}")
    spark.sql(f"CREATE TABLE {table} (row INT, c {name}) USING parquet")
    spark.sql(f"INSERT INTO {table} VALUES {rows}")
    return spark.table(table)


def _why(error: ColumnError) -> str:
    found = re.search(r"found (.*)\)\.$", error.message)
    return found[1] if found else error.message.partition(" (stage")[0]


def page(spark: Any, env: Any, folder: Path) -> str:
    """The page's text."""
    looked = Looked(spark, env, folder)
    types, misfits = type_outcomes(spark, looked), misfit_outcomes(spark, looked)
    lines = [
        "# Types",
        "",
        "Written by `python tests/types_page.py` from what happened: each value below went through",
        "a Spark session and the sidecar into a pipeline (Driverless AI 1.10's environment) that",
        "writes down what it gets. A test compares. The rules: `dai_spark/schema/columns.py`.",
        "",
        "## What a pipeline gets of each type",
        "",
        "The third value is null. The session's time zone is UTC.",
        "",
        "| Spark type | values | where the pipeline wants a number | where it wants text |",
        "|---|---|---|---|",
    ]
    for name, values in TYPES.items():
        cells = [_cell(types[name, kind]) for kind in KINDS]
        shown = ", ".join(f"`{value}`" for value in values)
        lines.append(f"| {name} | {shown} | {cells[0]} | {cells[1]} |")
    lines += [
        "",
        "## Values that do not fit",
        "",
        "One value that fits, the one named here, and a null.",
        "",
        '| type | value | `on_cast="error"` | `"warn"` | `"null"` |',
        "|---|---|---|---|---|",
    ]
    for name, _, _, misfit in MISFITS:
        cells = [_cell(misfits[name, misfit, choice]) for choice in ("error", "warn", "null")]
        lines.append(f"| {name} | `{misfit}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(outcome: Outcome) -> str:
    if outcome.refusal:
        return f"refused: {outcome.refusal}".replace("|", "\\|")
    return f"{outcome.dtype}: {', '.join(f'`{value}`' for value in outcome.values)}"


def main() -> None:
    """Write the page."""
    from pyspark.sql import SparkSession

    from dai_spark.environments import build_environment

    env = build_environment(ROOT / "build" / "dai-1.10.tar.zst", dai="1.10")
    with tempfile.TemporaryDirectory() as folder:
        spark = (
            SparkSession.builder.master("local[2]")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.warehouse.dir", f"{folder}/warehouse")
            .config("spark.ui.enabled", "false")
            .getOrCreate()
        )
        spark.sparkContext.setLogLevel("ERROR")
        PAGE.write_text(page(spark, env, Path(folder)), encoding="utf-8")
        spark.stop()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
