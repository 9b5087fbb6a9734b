"""LastRun: how the predictions of a job's last run lay, kept beside the target."""

import json
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional

from dai_spark.drift.distribution import Distribution
from dai_spark.drift.input_column import InputColumn
from dai_spark.table_job.report.history import MAX_RUNS
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.table_name import TableName
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath
from dai_spark.table_job.work_folder.location import work_folder

__all__ = ["LastRun"]


@dataclass(frozen=True)
class LastRun:
    """What a run leaves for the next one of its job to compare with.

    Not in the commit: Spark tells how predictions lie when they are written, and the commit's own
    metadata must be said before.  A comparison, so a run that loses it loses nothing else.

    Attributes
    ----------
    run_id : str
    distributions : mapping of str to Distribution
    inputs : mapping of str to InputColumn
        How the columns lie that the pipeline reads.
    n_rows : int or None
        Rows read.
    figures : mapping of str to mapping
        Of the last runs, ``n_rows`` (written) and ``psi`` by run id, the oldest first.
    """

    run_id: str = ""
    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    inputs: Mapping[str, InputColumn] = field(default_factory=dict)
    n_rows: Optional[int] = None
    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

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
        one = (found or {}).get(_name(job))
        if one is None:
            return cls()
        return cls(
            one["run_id"],
            {name: Distribution.from_json(d) for name, d in one["distributions"].items()},
            {name: InputColumn.from_json(d) for name, d in one.get("inputs", {}).items()},
            one.get("n_rows"),
            one.get("figures", {}),
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
        known[_name(job)] = {
            "run_id": self.run_id,
            "distributions": {name: d.to_json() for name, d in self.distributions.items()},
            "inputs": {name: d.to_json() for name, d in self.inputs.items()},
            "n_rows": self.n_rows,
            "figures": dict(list(self.figures.items())[-MAX_RUNS:]),
        }
        file.parent.make()
        file.write(json.dumps(known))


def _name(job: TableJob) -> str:
    """The job's name; the same for all spellings of the target that it may have it from."""
    return "" if job.has_default_name else job.job_name


def _file(spark: Any, job: TableJob) -> Optional[HadoopPath]:
    work = work_folder(spark, job, TableName.of(job.target))
    return None if work is None else work / "last_runs.json"
