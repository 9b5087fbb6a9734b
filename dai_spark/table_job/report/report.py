"""Report: what a run of the table job did, for people and for schedulers."""

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from dai_spark.drift.distribution import Distribution
from dai_spark.drift.input_column import InputColumn, psi_of_inputs
from dai_spark.drift.stability_index import LITTLE, psi_of_each, reading
from dai_spark.errors import shortened
from dai_spark.metrics import ScoringMetrics
from dai_spark.registry.origin import ModelOrigin
from dai_spark.table_job.report.check import FAILED, OK, UNKNOWN, WARNING, Check
from dai_spark.table_job.report.history import PastRun
from dai_spark.table_job.report.outcome import STATUSES

__all__ = ["Report"]

# Names that a line of the text has room for.
_N_NAMES = 12
_COUNTS = ("inserted", "updated", "unchanged", "deleted", "quarantined")
_MARKS = {OK: "ok", WARNING: "!!", FAILED: "XX", UNKNOWN: "??"}
_DISTRIBUTIONS = ("distributions", "last_distributions", "example_distributions")


@dataclass(frozen=True)
class Report:
    """What `score_table` did.

    Plain data of the driver; a number of rows that is None is not known.

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
        Seconds until everything was checked; seconds of the Spark action that read, scored and
        wrote (or staged).
    dry_run : bool
    preview : tuple of str
        A dry run's scored rows, as JSON texts.
    checks : tuple of Check
        What was looked at, found and allowed.
    plan : str
        What the run would do, in one paragraph.
    estimate : str
        How long it would take.
    metrics : ScoringMetrics or None
        What the tasks took; None over Spark Connect.
    status : str
        How the run ended: ``"done"``, ``"nothing to do"``, ``"already done"``, ``"dry run"``,
        ``"usage"``, ``"refused"``, ``"bad rows"``, ``"drift"``, ``"contract"``, ``"differs"``,
        ``"too few rows"`` or ``"failed"``.
    message : str
        Why, where it was not simply done: the error's sentence.
    details : str
        What the sentence rests on: a traceback, Spark's own text.
    job_name, run_id, last_run_id : str
        `last_run_id` is the run whose predictions these are compared with.
    n_read, n_scored, n_inserted, n_updated, n_unchanged, n_deleted, n_quarantined : int or None
    quarantine : str
        Table of the bad rows.
    bad_rows : tuple of (str, str)
        A few bad rows: the row as JSON text, and the reason.
    shipping_s, writing_s, verifying_s : float or None
        Seconds of the driver: the part of `preparing_s` that brought files to the executors; after
        `scoring_s` those that brought staged rows into the target, and those of the verification.
    n_slots : int or None
        Tasks that ran at once, which the time split wants.
    distributions, last_distributions, example_distributions : mapping of str to Distribution
        One for each numeric prediction, over the rows of this run, of the last one, and of the
        export's example.
    inputs, last_inputs : mapping of str to InputColumn
        One for each column that the pipeline reads and that was measured, of this run and the last.
    history : tuple of PastRun
        The target's last runs, this one too, the oldest first.
    drift_limit : float or None
        The value of ``--fail-on-drift``.
    verified : (int, int) or None
        Rows that were scored again one by one, and how many of them differed.
    environment_digest, library_version, scored_at : str
        Lineage, as in the column ``scoring``.
    source_version, high_water_mark : str
        What was read; up to which value of ``--since``.
    reading : str
        Who read the source's rows, the tasks themselves or Spark, and why.
    model : ModelOrigin or None
        The model of MLflow's that the pipeline was taken from: name, version, model id, run.
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
    checks: Tuple[Check, ...] = ()
    plan: str = ""
    estimate: str = ""
    metrics: Optional[ScoringMetrics] = None
    status: str = "done"
    message: str = ""
    details: str = ""
    job_name: str = ""
    run_id: str = ""
    last_run_id: str = ""
    n_read: Optional[int] = None
    n_scored: Optional[int] = None
    n_inserted: Optional[int] = None
    n_updated: Optional[int] = None
    n_unchanged: Optional[int] = None
    n_deleted: Optional[int] = None
    n_quarantined: Optional[int] = None
    quarantine: str = ""
    bad_rows: Tuple[Tuple[str, str], ...] = ()
    shipping_s: Optional[float] = None
    writing_s: Optional[float] = None
    verifying_s: Optional[float] = None
    n_slots: Optional[int] = None
    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    last_distributions: Mapping[str, Distribution] = field(default_factory=dict)
    example_distributions: Mapping[str, Distribution] = field(default_factory=dict)
    inputs: Mapping[str, InputColumn] = field(default_factory=dict)
    last_inputs: Mapping[str, InputColumn] = field(default_factory=dict)
    history: Tuple[PastRun, ...] = ()
    drift_limit: Optional[float] = None
    verified: Optional[Tuple[int, int]] = None
    environment_digest: str = ""
    library_version: str = ""
    scored_at: str = ""
    source_version: str = ""
    high_water_mark: str = ""
    reading: str = ""
    model: Optional[ModelOrigin] = None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status={self.status!r} is none of {', '.join(STATUSES)}")

    @property
    def n_written(self) -> Optional[int]:
        """Rows written: `n_rows`, by the name that the others have."""
        return self.n_rows

    @property
    def rows_per_s(self) -> Optional[float]:
        """Rows a second of the action that read, scored and wrote."""
        if self.n_rows is None or self.scoring_s <= 0:
            return None
        return self.n_rows / self.scoring_s

    @property
    def total_s(self) -> float:
        """Seconds of the whole run."""
        return self.preparing_s + self.scoring_s + (self.writing_s or 0) + (self.verifying_s or 0)

    @property
    def psi(self) -> Dict[str, Optional[float]]:
        """Population stability index of each prediction against the last run's.

        None where either has too few rows to tell; see `dai_spark.drift.stability_index`.
        """
        return psi_of_each(self.last_distributions, self.distributions)

    @property
    def example_psi(self) -> Dict[str, Optional[float]]:
        """The same against the export's example rows, which are mostly too few."""
        return psi_of_each(self.example_distributions, self.distributions)

    @property
    def input_psi(self) -> Dict[str, Optional[float]]:
        """The same of each column that the pipeline reads, against the last run's."""
        return psi_of_inputs(self.last_inputs, self.inputs)

    @property
    def short_version(self) -> str:
        """The source's version, and of a digest the first twelve digits."""
        is_digest = re.fullmatch(r"[0-9a-f]{64}", self.source_version) is not None
        return self.source_version[:12] if is_digest else self.source_version

    @property
    def time_split(self) -> Dict[str, float]:
        """What the run's seconds were spent on; they add up to `total_s`.

        The action's seconds are divided by what its tasks waited for.  Without their metrics (over
        Connect) or without `n_slots` they stay together.
        """
        split = {"checking": self.preparing_s - (self.shipping_s or 0.0)}
        if self.shipping_s is not None:
            split["shipping"] = self.shipping_s
        task_s = self.scoring_s * (self.n_slots or 0)
        if self.metrics is None or not task_s:
            split["reading, scoring, writing"] = self.scoring_s
        else:
            waited_s = {"loading": self.metrics.starting_s, "scoring": self.metrics.waiting_s}
            # Tasks that were killed or ran twice may have waited longer than the action took.
            most = max(task_s, sum(waited_s.values()))
            for name, seconds in waited_s.items():
                split[name] = self.scoring_s * seconds / most
            rest = self.scoring_s * (1 - sum(waited_s.values()) / most)
            split["Spark reading and writing"] = max(rest, 0.0)
        if self.writing_s is not None:
            split["writing into the target"] = self.writing_s
        if self.verifying_s is not None:
            split["verifying"] = self.verifying_s
        return split

    def to_json(self) -> str:
        """The report as one JSON object, with what follows from its figures."""
        plain = dataclasses.asdict(self)
        plain.update(
            exit_status=STATUSES[self.status],
            n_written=self.n_written,
            rows_per_s=self.rows_per_s,
            total_s=self.total_s,
            time_split=self.time_split,
            psi=self.psi,
            example_psi=self.example_psi,
            input_psi=self.input_psi,
        )
        return json.dumps(plain)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Read what `to_json` wrote; what newer versions add is ignored.

        Parameters
        ----------
        text : str
        """
        data = json.loads(text)
        known: Dict[str, Any] = {
            f.name: data[f.name] for f in dataclasses.fields(cls) if f.name in data
        }
        for name in ("columns", "prediction", "preview"):
            known[name] = tuple(known.get(name, ()))
        known["bad_rows"] = tuple((row, why) for row, why in known.get("bad_rows", ()))
        for name, kind in (("checks", Check), ("history", PastRun)):
            known[name] = tuple(_known(kind, one) for one in known.get(name, ()))
        for name in ("inputs", "last_inputs"):
            found = known.get(name, {}).items()
            known[name] = {column: InputColumn.from_json(one) for column, one in found}
        for name in _DISTRIBUTIONS:
            found = known.get(name, {}).items()
            known[name] = {field: Distribution.from_json(one) for field, one in found}
        if known.get("metrics") is not None:
            names = {f.name for f in dataclasses.fields(ScoringMetrics)}
            metrics = {name: v for name, v in known["metrics"].items() if name in names}
            known["metrics"] = ScoringMetrics(**metrics)
        known["model"] = ModelOrigin.from_json(known.get("model"))
        if known.get("verified") is not None:
            n_rows, n_differing = known["verified"]
            known["verified"] = (n_rows, n_differing)
        return cls(**known)

    def text(self) -> str:
        """The report for people, a few lines."""
        lines = []
        if self.status not in ("done", "dry run"):
            lines.append(f"status      {self.status}" + (f": {self.message}" * bool(self.message)))
        if self.run_id:
            lines.append(f"run         {self.run_id} of job {self.job_name}")
        version = f", version {self.short_version}" if self.source_version else ""
        lines += [
            f"source      {self.source}{version}",
            *([f"reading     {self.reading}"] if self.reading else []),
            f"pipeline    {self.pipeline} (experiment {self.experiment_id})",
            *([f"model       {self.model.details}"] if self.model is not None else []),
            f"columns     {len(self.columns)}: {shortened(self.columns, _N_NAMES)}",
            f"prediction  {shortened(self.prediction, _N_NAMES)}",
        ]
        if self.dry_run:
            lines += [f"{_MARKS[one.outcome]}  {one.what:<12} {one.text}" for one in self.checks]
            lines += [f"plan        {self.plan}"] if self.plan else []
            lines += [f"time        {self.estimate}"] if self.estimate else []
            lines += ["dry run     nothing was written; scored rows:", *self.preview]
            lines.append(f"would write to {self.target} (mode {self.mode})")
            return "\n".join(lines)
        lines.append(f"target      {self.target} (mode {self.mode})")
        lines += self._figures()
        if self.metrics is not None:
            lines.append(f"scoring     {self.metrics.text()}")
        return "\n".join(lines)

    def _figures(self) -> List[str]:
        lines = []
        if self.n_rows is not None:
            lines.append(
                f"scored      {self.n_rows:,} rows in {self.scoring_s:.1f} s "
                f"({self.rows_per_s or 0:,.0f} rows/s), after {self.preparing_s:.1f} s of checks"
            )
        counts = [(name, getattr(self, f"n_{name}")) for name in ("read", "scored", *_COUNTS)]
        told = [f"{n:,} {name}" for name, n in counts if n is not None]
        if told:
            lines.append(f"rows        {', '.join(told)}")
        if self.n_quarantined and self.quarantine:
            lines.append(f"bad rows    {self.quarantine}")
        if len(self.time_split) > 2:
            split = ", ".join(f"{name} {s:.1f} s" for name, s in self.time_split.items())
            lines.append(f"time        {split}")
        for name, value in self.psi.items():
            shown = "" if value is None else f"{value:.3f}, "
            lines.append(f"drift       {name}: {shown}{reading(value)}")
        for name, value in self.input_psi.items():
            if value is not None and value > LITTLE:
                lines.append(f"drift       input {name}: {value:.3f}, {reading(value)}")
        # What was right is in the file; a line each of what was not, or was held to a limit.
        lines += [
            f"check       {_MARKS[one.outcome]} {one.what}: {one.text}"
            for one in self.checks
            if one.allowed or one.outcome != OK
        ]
        if self.verified is not None:
            n_rows, n_differing = self.verified
            lines.append(f"verified    {n_rows:,} rows scored again, {n_differing:,} differ")
        if self.high_water_mark:
            lines.append(f"up to       {self.high_water_mark}")
        return lines


def _known(kind: Any, data: Mapping[str, Any]) -> Any:
    """An object of plain fields; what newer versions add is ignored."""
    names = {f.name for f in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in data.items() if name in names})
