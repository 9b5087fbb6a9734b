"""Table jobs with parts of their work left out, to see what each part costs."""

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from direct import ENVIRONMENT, FOLDER, LICENSE
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from session import write_parquet
from tables import FEATURES, KEY

from dai_spark import score_dataframe, score_table, score_udf
from dai_spark.drift.measured_rows import WhatToMeasure

TARGETS = FOLDER / "whole-job"
FILES = {"env": ENVIRONMENT, "license_file": str(LICENSE)}
ALL = frozenset({"key", "lineage", "distributions"})
# All checks, and each of them left out; a limit of drift stages the rows.
PARTS = {
    "job": ALL,
    "job whose rows Spark reads": ALL | {"spark"},
    "job without the key's check": ALL - {"key"},
    "job without lineage": ALL - {"lineage"},
    "job without distributions": ALL - {"distributions"},
    "job without all three": frozenset(),
    "job with a limit of drift": ALL | {"drift"},
}


def job(
    spark: SparkSession,
    pipeline: Path,
    source: Path,
    name: str,
    parts: frozenset[str] = ALL,
    **words: Any,
) -> Any:
    """Run the table job, and return its report."""
    given: dict[str, Any] = {"mode": "overwrite", "lineage": "lineage" in parts}
    given["target"] = f"parquet:{TARGETS / name}"
    if "key" in parts:
        given["key"] = [KEY]
    if "spark" in parts:
        given["read"] = "spark"
    if "drift" in parts:
        given["fail_on_drift"] = 10.0
    with ExitStack() as stack:
        if "distributions" not in parts:
            stack.enter_context(unmeasured())
        return score_table(
            pipeline,
            source=f"parquet:{source}",
            run_id=uuid.uuid4().hex,
            spark=spark,
            progress=False,
            **FILES,
            **{**given, **words},
        )


def unmeasured() -> Any:
    """Leave out how rows and predictions lie, and count rows alone."""
    asked = "dai_spark.table_job.run.measured.what_to_measure"
    return mock.patch(asked, return_value=WhatToMeasure())


def written_by_map(frame: DataFrame, pipeline: Path, read: str) -> Callable[[], None]:
    """`score_dataframe`, which brings all columns to Python and back, into Parquet."""
    scored = score_dataframe(frame, pipeline, read=read, **FILES)
    return lambda: write_parquet(scored, TARGETS / f"map-{read}")


def written_by_udf(frame: DataFrame, pipeline: Path) -> Callable[[], None]:
    """`score_udf` of Arrow, where kept columns stay in the JVM, into Parquet."""
    score = score_udf(pipeline, **FILES, udf_type="arrow")
    scored = frame.withColumn("prediction", score(F.struct(*FEATURES)))
    return lambda: write_parquet(scored, TARGETS / "udf")
