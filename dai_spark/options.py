"""ScoringOptions: every setting that is not a file or a column, resolved once on the driver."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple

from dai_spark.errors import OptionError

__all__ = ["ScoringOptions"]

_START_METHODS = ("auto", "fork", "spawn")
_COUNTS = (
    "batch_rows",
    "batch_bytes",
    "max_scorers",
    "max_batches_per_scorer",
    "max_scorer_memory_bytes",
)
_UDF_TYPES = (None, "arrow", "pandas")
_NAN = ("keep", "bad")


@dataclass(frozen=True)
class ScoringOptions:
    """How to score.  Travels with every task; executors read no settings of their own.

    Parameters
    ----------
    margin : bool, default False
        The model's margin (before the link function) in place of the prediction.
    batch_rows : int, optional
        Most rows that the pipeline is given at once.  By default a batch is what Spark sends
        (``spark.sql.execution.arrow.maxRecordsPerBatch``, 10,000 rows).
    batch_bytes : int, default 32 MiB
        Batches of more than so many bytes (of Arrow, of the pipeline's columns) are scored in
        pieces, so that wide tables and long texts cost no more memory than narrow ones.
    nan : {"keep", "bad"}, default "keep"
        Whether a row with NaN (or null) in a float column of the prediction is a bad row, as one
        that the pipeline raises on, or a row whose score is NaN.
    udf_type : {"arrow", "pandas"}, optional
        Kind of UDF that `score_udf` makes.  By default Arrow from Spark 4.1 on, else pandas.
    deterministic : bool, default False
        Tell Spark that the UDF is deterministic.  Spark then pushes filters on other columns
        below it, and scores a row again for each filter or sort on the prediction.
    start_method : {"auto", "fork", "spawn"}, default "auto"
        How a connection gets its scorer.  ``"fork"`` shares the loaded scorer's memory;
        ``"spawn"`` loads one for each connection; ``"auto"`` forks where a trial shows that the
        pipeline bears it.
    max_scorers : int, optional
        Most scorers of an executor's sidecar that score at the same time; further tasks wait.  For
        executors whose memory does not hold a scorer a core.  By default as many as tasks.
    max_batches_per_scorer : int, optional
        A scorer that has answered so many batches is replaced by a fresh one: for pipelines that
        leak.  By default a scorer lasts as long as its task.
    max_scorer_memory_bytes : int, optional
        The same above so much resident memory (what it shares with its sidecar included).
    start_timeout_s : float, default 300
        Limit for unpacking, and again for starting the sidecar and loading the scorer.
    batch_timeout_s : float, default 600
        Limit for the answer to one batch.
    idle_timeout_s : float, default 600
        A sidecar without a connection for so long ends.
    env_vars : mapping of str to str, optional
        Added to the sidecar's environment.  Not for secrets: the licence has its own argument.

    Raises
    ------
    OptionError
        A value that cannot be meant.
    """

    margin: bool = False
    batch_rows: Optional[int] = None
    batch_bytes: int = 32 << 20
    nan: str = "keep"
    udf_type: Optional[str] = None
    deterministic: bool = False
    start_method: str = "auto"
    max_scorers: Optional[int] = None
    max_batches_per_scorer: Optional[int] = None
    max_scorer_memory_bytes: Optional[int] = None
    start_timeout_s: float = 300.0
    batch_timeout_s: float = 600.0
    idle_timeout_s: float = 600.0
    env_vars: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.start_method not in _START_METHODS:
            raise OptionError(
                f"start_method={self.start_method!r} is none of {', '.join(_START_METHODS)}."
            )
        if self.nan not in _NAN:
            raise OptionError(f"nan={self.nan!r} is none of {', '.join(_NAN)}.")
        if self.udf_type not in _UDF_TYPES:
            raise OptionError(f"udf_type={self.udf_type!r} is neither 'arrow' nor 'pandas'.")
        for name in _COUNTS:
            value = getattr(self, name)
            if value is None and name != "batch_bytes":
                continue
            if type(value) is not int or value < 1:
                raise OptionError(f"{name}={value!r} must be a whole number, 1 or more.")
        for name in ("start_timeout_s", "batch_timeout_s", "idle_timeout_s"):
            if not getattr(self, name) > 0:
                raise OptionError(f"{name}={getattr(self, name)} must be more than 0 seconds.")
        for name, value in self.env_vars.items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise OptionError(f"env_vars[{name!r}] must be text, as an environment holds.")

    @classmethod
    def resolve(
        cls, options: Optional["ScoringOptions"], words: Mapping[str, Any]
    ) -> "ScoringOptions":
        """Return `options` with the keywords of a call laid over them.

        Raises
        ------
        OptionError
            A keyword that is no option, with those that are.
        """
        known = [f.name for f in dataclasses.fields(cls)]
        unknown = sorted(set(words) - set(known))
        if unknown:
            raise OptionError(
                f"unknown option {', '.join(unknown)}; the options are {', '.join(known)}."
            )
        return dataclasses.replace(options or cls(), **words)

    def for_connection(self) -> Dict[str, Any]:
        """The options that travel with a connection: they change a call and load nothing."""
        return {
            **self.for_answer(),
            "max_scorers": self.max_scorers,
            "max_batches": self.max_batches_per_scorer,
            "max_memory_bytes": self.max_scorer_memory_bytes,
        }

    def for_answer(self) -> Dict[str, Any]:
        """Those of them that change what the pipeline answers."""
        return {"margin": self.margin}

    def for_loading(self) -> Tuple[Any, ...]:
        """The options that a loaded scorer depends on, so that they are part of its key."""
        return (self.start_method, tuple(sorted(self.env_vars.items())))
