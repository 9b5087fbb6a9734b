"""LastRun: how the predictions of a job's last run lay, kept beside the target."""

import json
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional

from dai_spark.table_job.report.distribution import Distribution
from dai_spark.table_job.report.drift import check_drift
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.table_name import TableName
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath
from dai_spark.table_job.work_folder.location import work_folder

__all__ = ["LastRun", "check_against_last_run"]


@dataclass(frozen=True)
class LastRun:
    """What a run leaves for the next one of its job to compare with.

    Not in the commit: Spark tells how predictions lie when they are written, and the commit's own
    metadata must be said before.  A comparison, so a run that loses it loses nothing else.

    Attributes
    ----------
    run_id : str
    distributions : mapping of str to Distribution
    """

    run_id: str = ""
    distributions: Mapping[str, Distribution] = field(default_factory=dict)

    @classmethod
    def read(cls, spark: Any, job: TableJob) -> "LastRun":
        """The last run of a job; an empty one where there was none, or over Connect.

        Parameters
        ----------
        spark : SparkSession
        job : TableJob
        """
        file = _file(spark, job)
        found: Optional[Dict[str, Any]] = None if file is None else file.read_json()
        one = (found or {}).get(job.job_name)
        if one is None:
            return cls()
        return cls(
            one["run_id"],
            {name: Distribution.from_json(d) for name, d in one["distributions"].items()},
        )

    def write(self, spark: Any, job: TableJob) -> None:
        """Keep it for the next run; called with the lock held.

        Parameters
        ----------
        spark : SparkSession
        job : TableJob
        """
        file = _file(spark, job)
        if file is None or not self.distributions:
            return
        known = file.read_json() or {}
        known[job.job_name] = {
            "run_id": self.run_id,
            "distributions": {name: d.to_json() for name, d in self.distributions.items()},
        }
        file.parent.make()
        file.write(json.dumps(known))


def check_against_last_run(
    spark: Any, job: TableJob, distributions: Mapping[str, Distribution], limit: float
) -> None:
    """Refuse predictions that have moved too far from those of the job's last run.

    Runs on the driver.

    Parameters
    ----------
    spark : SparkSession
    job : TableJob
    distributions : mapping of str to Distribution
        How this run's predictions lie.
    limit : float
        Highest population stability index.

    Raises
    ------
    DriftError
    """
    check_drift(LastRun.read(spark, job).distributions, distributions, limit)


def _file(spark: Any, job: TableJob) -> Optional[HadoopPath]:
    work = work_folder(spark, job, TableName.of(job.target))
    return None if work is None else work / "last_runs.json"
