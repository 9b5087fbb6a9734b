"""Report: what a run of the table job did, for people and for schedulers."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Optional, Tuple

from dai_spark.metrics import ScoringMetrics

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """What `score_table` did.

    Attributes
    ----------
    source, target, mode : str
    pipeline, experiment_id, pipeline_digest : str
    environment : str
    columns : tuple of str
        Used by the pipeline, in its order.
    prediction : tuple of str
        Fields of the struct column ``prediction``.
    n_rows : int or None
        Rows written; None for a dry run.
    preparing_s, scoring_s : float
        Until everything was checked; of the Spark action that read, scored and wrote.
    dry_run : bool
    preview : tuple of str
        A dry run's scored rows, as JSON texts.
    metrics : ScoringMetrics or None
        What the tasks took; None over Spark Connect.
    """

    source: str
    target: str
    mode: str
    pipeline: str
    experiment_id: str
    pipeline_digest: str
    environment: str
    columns: Tuple[str, ...]
    prediction: Tuple[str, ...]
    n_rows: Optional[int]
    preparing_s: float
    scoring_s: float
    dry_run: bool = False
    preview: Tuple[str, ...] = ()
    metrics: Optional[ScoringMetrics] = None

    @property
    def rows_per_s(self) -> Optional[float]:
        """Rows a second of the action that read, scored and wrote."""
        if self.n_rows is None or self.scoring_s <= 0:
            return None
        return self.n_rows / self.scoring_s

    def to_json(self) -> str:
        """The report as one JSON object."""
        return json.dumps(dict(dataclasses.asdict(self), rows_per_s=self.rows_per_s))

    def text(self) -> str:
        """The report for people, a few lines."""
        lines = [
            f"source      {self.source}",
            f"pipeline    {self.pipeline} (experiment {self.experiment_id})",
            f"columns     {len(self.columns)}: {_shortened(self.columns)}",
            f"prediction  {_shortened(self.prediction)}",
        ]
        if self.dry_run:
            lines += ["dry run     nothing was written; scored rows:", *self.preview]
            lines.append(f"would write to {self.target} (mode {self.mode})")
        else:
            lines += [
                f"target      {self.target} (mode {self.mode})",
                f"scored      {self.n_rows:,} rows in {self.scoring_s:.1f} s "
                f"({self.rows_per_s or 0:,.0f} rows/s), after {self.preparing_s:.1f} s of checks",
            ]
        if self.metrics is not None and not self.dry_run:
            lines.append(f"scoring     {self.metrics.text()}")
        return "\n".join(lines)


def _shortened(names: Tuple[str, ...]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown}, and {len(names) - 12} more"
