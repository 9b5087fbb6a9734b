"""Acceptance: the look at a run's figures before its rows are committed."""

from dataclasses import dataclass, field
from typing import Any, List, Optional

from dai_spark.drift.stability_index import psi_of_each
from dai_spark.table_job.contract.judge import Figures, judged, refuse_failed
from dai_spark.table_job.contract.terms import Contract
from dai_spark.table_job.report.check import FAILED, OK, UNKNOWN, Check
from dai_spark.table_job.report.drift_limit import check_drift
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.work_folder.last_run import LastRun

__all__ = ["Acceptance"]


@dataclass
class Acceptance:
    """Looks at a run, or at each micro-batch of a stream, and lets it be committed or not.

    Lives on the driver.

    Attributes
    ----------
    spark : SparkSession
    job : TableJob
    contract : Contract or None
    figures : Figures or None
        What it has looked at.
    checks : list of Check
        What it has found.
    """

    spark: Any
    job: TableJob
    contract: Optional[Contract] = None
    figures: Optional[Figures] = None
    checks: List[Check] = field(default_factory=list)

    def __call__(self, figures: Figures) -> None:
        """Hold a run against ``--contract`` and ``--fail-on-drift``.

        Parameters
        ----------
        figures : Figures

        Raises
        ------
        ContractError, DriftError
            The target is to stay as it is.
        """
        self.figures, limit = figures, self.job.fail_on_drift
        if self.contract is None and limit is None:
            return
        last = LastRun.read(self.spark, self.job)
        self.checks = []
        if limit is not None:
            self.checks.append(_drift(last, figures, limit))
        if self.contract is not None:
            before = Figures(last.n_rows, 0, last.inputs, last.distributions)
            terms = judged(self.contract, figures, before)
            self.checks += terms
            refuse_failed(self.contract, terms)
        if limit is not None:
            check_drift(last.distributions, figures.predictions, limit)


def _drift(last: LastRun, figures: Figures, limit: float) -> Check:
    found = psi_of_each(last.distributions, figures.predictions)
    known = {name: value for name, value in found.items() if value is not None}
    allowed = f"at most {limit:g}"
    if not known:
        return Check("drift", "too few rows" if found else "no earlier run", allowed, UNKNOWN)
    name = max(known, key=lambda one: known[one])
    outcome = FAILED if known[name] > limit else OK
    return Check("drift", f"largest PSI {known[name]:.3f}, of {name}", allowed, outcome)
