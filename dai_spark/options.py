"""ScoringOptions: every setting that is not a file or a column, resolved once on the driver."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Tuple

from dai_spark.errors import OptionError

__all__ = ["ScoringOptions"]

_START_METHODS = ("auto", "fork", "spawn")
_UDF_TYPES = (None, "arrow", "pandas")


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
    udf_type : {"arrow", "pandas"}, optional
        Kind of UDF that `score_udf` makes.  By default Arrow from Spark 4.1 on, else pandas.
    deterministic : bool, default False
        Tell Spark that the UDF is deterministic.  Spark then pushes filters on other columns
        below it, and scores a row again for each filter or sort on the prediction.
    start_method : {"auto", "fork", "spawn"}, default "auto"
        How a connection gets its scorer.  ``"fork"`` shares the loaded scorer's memory;
        ``"spawn"`` loads one for each connection; ``"auto"`` forks where a trial shows that the
        pipeline bears it.
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
    udf_type: Optional[str] = None
    deterministic: bool = False
    start_method: str = "auto"
    start_timeout_s: float = 300.0
    batch_timeout_s: float = 600.0
    idle_timeout_s: float = 600.0
    env_vars: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.start_method not in _START_METHODS:
            raise OptionError(
                f"start_method={self.start_method!r} is none of {', '.join(_START_METHODS)}."
            )
        if self.udf_type not in _UDF_TYPES:
            raise OptionError(f"udf_type={self.udf_type!r} is neither 'arrow' nor 'pandas'.")
        if self.batch_rows is not None and self.batch_rows < 1:
            raise OptionError(f"batch_rows={self.batch_rows} must be 1 or more.")
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

    def for_connection(self) -> "dict[str, bool]":
        """The options that travel with a connection: they change a call and load nothing."""
        return {"margin": self.margin}

    def for_loading(self) -> Tuple[Any, ...]:
        """The options that a loaded scorer depends on, so that they are part of its key."""
        return (self.start_method, tuple(sorted(self.env_vars.items())))
