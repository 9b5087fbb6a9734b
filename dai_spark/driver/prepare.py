"""Arguments to a plan whose description is known: shipped, and proved by one probe task."""

import json
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.client.udf_bodies import probe_body
from dai_spark.driver.off_disk import off_disk
from dai_spark.driver.progress.interrupt import ends_with_interrupt
from dai_spark.driver.progress.messages import waiting
from dai_spark.driver.session import setting
from dai_spark.driver.ship import ship_file, ship_package
from dai_spark.driver.spark_errors.telling import told
from dai_spark.errors import SidecarStartError, named
from dai_spark.plan.described_before import described_before, remember
from dai_spark.plan.doubts import doubts
from dai_spark.plan.executor_memory import memory_doubt
from dai_spark.plan.plan import Description, ScoringPlan, ShippedFile
from dai_spark.plan.request import ScoringRequest
from dai_spark.plan.spark_versions import is_of_pipeline_function

__all__ = ["prepare"]

_NO_JOBS_HERE = (
    "{pipeline} was not yet asked which columns it uses, and Spark runs no job in the function of "
    "a dataset. Ask it before: by `dai-spark pipeline describe` with the same files, licence "
    "and options on this machine, or by the column_names of score_udf(...) outside of the function."
)


def prepare(
    spark: Any, request: ScoringRequest, on_message: Callable[[str], None], *, probe: bool = False
) -> ScoringPlan:
    """Ship what a request needs and return its plan, with the pipeline's own description.

    Runs on the driver.  The first time for a content, one task on an executor loads the scorer
    and scores one row of the export's example, which proves environment, licence and pipeline at
    once; the answer is remembered in the cache folder by content, for this and later sessions.

    Parameters
    ----------
    spark : SparkSession
    request : ScoringRequest
    on_message : callable
        Is told what is being done.
    probe : bool, default False
        Ask again, whatever is remembered.

    Raises
    ------
    ShippingError, PackedEnvironmentError, LicenseError, SidecarError, ScoringError
    """
    ship_package(spark)

    def ship(path: Path, digest: str, ending: str, label: str) -> ShippedFile:
        return ship_file(spark, path, digest, ending, label, on_message)

    plan = request.plan(ship)
    if not probe:
        known = described_before(plan)
        if known is not None:
            return _told(spark, plan.with_description(known), on_message)
    described = _probe(spark, plan, _what(request), on_message)
    remember(plan, described)
    return _told(spark, plan.with_description(described), on_message)


def _told(spark: Any, plan: ScoringPlan, on_message: Callable[[str], None]) -> ScoringPlan:
    found = doubts(plan)
    memory = memory_doubt(plan, partial(setting, spark))
    for doubt in found if memory is None else [*found, memory]:
        on_message(f"warning: {doubt}")
    return plan


def _what(request: ScoringRequest) -> str:
    environment = request.environment
    if isinstance(environment, PackedEnvironment) and not environment.is_folder:
        unpacked_mb = environment.manifest.unpacked_bytes / 1e6
        return f"unpacking the environment ({unpacked_mb:,.0f} MB) and loading the scorer"
    return "loading the scorer"


def _probe(
    spark: Any, plan: ScoringPlan, what: str, on_message: Callable[[str], None]
) -> Description:
    begun = time.monotonic()
    try:
        with ends_with_interrupt(spark), waiting(on_message, f"{what} on an executor"):
            function, result = off_disk(spark, plan, probe_body(plan), "answer string")
            rows = spark.range(0, 1, 1, 1).mapInArrow(function, result).collect()
    except Exception as error:
        if is_of_pipeline_function(error):
            raise SidecarStartError(_NO_JOBS_HERE.format(pipeline=plan.pipeline.label)) from error
        what = "The pipeline could not be tried on an executor"
        raise told(error, what, SidecarStartError) from error
    answer: Dict[str, Any] = json.loads(rows[0]["answer"])
    if "error" in answer:
        raise named(answer["error"])(answer["message"], answer["details"])
    described = Description.from_json(answer["described"])
    on_message(
        f"scorer ready on {answer['host']} after {time.monotonic() - begun:.1f} s (Scorer() took "
        f"{described.load_s:.1f} s, {described.memory_bytes / 1e6:,.0f} MB, Python "
        f"{described.versions['python']})"
    )
    if described.start_method == "spawn" and plan.options.start_method == "auto":
        on_message(
            "warning: this pipeline does not bear a fork, so every task loads a scorer of its own"
        )
    return described
