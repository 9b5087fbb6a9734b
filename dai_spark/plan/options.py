"""ScoringOptions: every setting that is not a file or a column, resolved once on the driver."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple, Union

from dai_spark.errors import OptionError
from dai_spark.plan.ranges import flag, number, seconds, whole_number

__all__ = ["ScoringOptions"]

_START_METHODS = ("auto", "fork", "spawn")
_MOST = 2**31 - 1
# The most of each; the least is 1.  A batch's text may have 2 GiB in Arrow; an executor's processes
# are counted in hundreds.
_COUNTS = {
    "batch_rows": _MOST,
    "batch_bytes": _MOST,
    "max_group_bytes": _MOST,
    "max_scorers": 10_000,
    "max_batches_per_scorer": _MOST,
    "max_scorer_memory_bytes": 2**50,
}
_SECONDS = ("start_timeout_s", "batch_timeout_s", "idle_timeout_s")
_FLAGS = (
    *("margin", "fast_approx", "apply_data_recipes", "labels"),
    *("intervals", "deterministic", "diagnose"),
)
_UDF_TYPES = (None, "arrow", "pandas")
_NAN = ("keep", "bad")
_CONTRIBUTIONS = (False, True, "transformed", "original")
_ON_CAST = ("error", "warn", "null")
_PROBABILITIES = ("columns", "map")


@dataclass(frozen=True)
class ScoringOptions:
    """How to score.  Travels with every task; executors read no settings of their own.

    Parameters
    ----------
    margin : bool, default False
        The model's margin (before the link function) in place of the prediction.
    contributions : bool or {"transformed", "original"}, default False
        What each feature adds to the margin, in place of the prediction: of the features that the
        pipeline makes (True means these), or of the table's own columns.  With the bias they add up
        to the margin.
    fast_approx : bool, default False
        Contributions by fewer of the model's trees, where the pipeline's version can.
    apply_data_recipes : bool, default False
        The table is the raw data before the experiment's data recipe, which the pipeline applies.
    labels : bool, default False
        Add the field ``label``, the class that is chosen, as text: of two classes the second one of
        the pipeline's labels (the positive class) where its probability is at least `threshold`;
        of more the most probable one.  Null where a probability is NaN.
    threshold : float, optional
        Probability from which `labels` chooses the second of two classes; by default 0.5.
    probabilities : {"columns", "map"}, default "columns"
        A field for each class, or one field ``probabilities``, a map from label to probability: for
        pipelines of very many classes.
    intervals : bool, optional
        True demands prediction intervals of a regression, False leaves them out; by default they
        are there where the pipeline gives them.
    group_by : sequence of str, default ()
        Columns whose rows of equal values are scored at once, whole, and apart from all others: for
        pipelines whose score of a row depends on other rows (time series with test-time
        augmentation).  For `score_dataframe`, the table job and `score_pandas`.
    order_by : sequence of str, default ()
        Columns by which the rows of a group are sorted, ascending, nulls first.
    max_group_bytes : int, default 1 GiB
        A larger group (of Arrow, of the pipeline's columns) is refused by its name.
    batch_rows : int, optional
        Most rows that the pipeline is given at once.  By default a batch is what Spark sends
        (``spark.sql.execution.arrow.maxRecordsPerBatch``, 10,000 rows); more than that reach the
        pipeline where tasks read the files themselves (``read=``).
    batch_bytes : int, default 32 MiB
        Batches of more than so many bytes (of Arrow, of the pipeline's columns) are scored in
        pieces, so that wide tables and long texts cost no more memory than narrow ones.
    on_cast : {"error", "warn", "null"}, default "error"
        What becomes of a value that the pipeline cannot be given unchanged (an integer beyond 2^53
        or a decimal of more digits than a float holds, a fraction of a second): it fails its row;
        it is rounded; it is a missing value.  The latter two also read text as numbers where the
        pipeline wants these, and count what did not fit (`ScoringMetrics.n_misfits`).
    nan : {"keep", "bad"}, default "keep"
        Whether a row with NaN (or null) in a float column of the prediction is a bad row, as one
        that the pipeline raises on, or a row whose score is NaN.
    udf_type : {"arrow", "pandas"}, optional
        Kind of UDF that `score_udf` makes.  By default Arrow from Spark 4.1 on, else pandas.
    deterministic : bool, default False
        Tell Spark that the UDF is deterministic.  Spark then pushes filters on other columns
        below it, and scores a row again for each filter or sort on the prediction.
    start_method : {"auto", "fork", "spawn"}, default "auto"
        How a scorer process begins.  ``"fork"`` shares the loaded scorer's memory; with
        ``"spawn"`` each loads for itself, for as many tasks at once as there are, and for tasks
        that follow within a minute; ``"auto"`` forks where a trial shows that the pipeline bears
        it.
    max_scorers : int, optional
        Most tasks that an executor's sidecar scores for at the same time; further tasks wait.  For
        executors whose memory does not hold a scorer a core.  A task that scores by several
        functions at once has a scorer for each, and while it has one at all, also of another
        pipeline, it does not wait.  By default as many as tasks.
    max_batches_per_scorer : int, optional
        A scorer that has answered so many batches is replaced by a fresh one: for pipelines that
        leak.  By default a scorer serves up to 32 tasks, one after the other, unless it grows.
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
    diagnose : bool, default False
        A load that fails tells where the pipeline's Python looks for libraries, which it finds and
        which it has loaded, behind the pipeline's own traceback.

    Raises
    ------
    OptionError
        A value that cannot be meant.
    """

    margin: bool = False
    contributions: Union[bool, str] = False
    fast_approx: bool = False
    apply_data_recipes: bool = False
    labels: bool = False
    threshold: Optional[float] = None
    probabilities: str = "columns"
    intervals: Optional[bool] = None
    group_by: Tuple[str, ...] = ()
    order_by: Tuple[str, ...] = ()
    max_group_bytes: int = 1 << 30
    batch_rows: Optional[int] = None
    batch_bytes: int = 32 << 20
    on_cast: str = "error"
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
    diagnose: bool = False

    def __post_init__(self) -> None:
        for name in _FLAGS:
            value = getattr(self, name)
            if value is not None or name != "intervals":
                object.__setattr__(self, name, flag(name, value))
        if not isinstance(self.contributions, str):
            object.__setattr__(self, "contributions", flag("contributions", self.contributions))
        if self.start_method not in _START_METHODS:
            raise OptionError(
                f"start_method={self.start_method!r} is none of {', '.join(_START_METHODS)}."
            )
        if self.nan not in _NAN:
            raise OptionError(f"nan={self.nan!r} is none of {', '.join(_NAN)}.")
        if self.on_cast not in _ON_CAST:
            raise OptionError(f"on_cast={self.on_cast!r} is none of {', '.join(_ON_CAST)}.")
        self._check_prediction()
        self._check_groups()
        if self.udf_type not in _UDF_TYPES:
            raise OptionError(f"udf_type={self.udf_type!r} is neither 'arrow' nor 'pandas'.")
        for name, most in _COUNTS.items():
            value = getattr(self, name)
            if value is not None or name in ("batch_bytes", "max_group_bytes"):
                object.__setattr__(self, name, whole_number(name, value, 1, most))
        for name in _SECONDS:
            object.__setattr__(self, name, seconds(name, getattr(self, name)))
        self._check_env_vars()

    def _check_env_vars(self) -> None:
        if not isinstance(self.env_vars, Mapping):
            raise OptionError(f"env_vars={self.env_vars!r} must be a mapping of names to texts.")
        for name, value in self.env_vars.items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise OptionError(f"env_vars[{name!r}] must be text, as an environment holds.")
            if not name or "=" in name or "\0" in name + value or not _is_utf8(name + value):
                raise OptionError(
                    f"env_vars[{name!r}] cannot stand in an environment: a name has a character "
                    "or more and no '=', and neither name nor value a NUL or half a surrogate pair."
                )
        if "DRIVERLESS_AI_LICENSE_KEY" in self.env_vars:
            raise OptionError(
                "env_vars holds a licence, where anybody on the executor's host could read it "
                "(/proc/<pid>/environ); give license= or license_file= in its place."
            )

    def _check_groups(self) -> None:
        for name in ("group_by", "order_by"):
            value = getattr(self, name)
            if isinstance(value, str):
                names: Tuple[Any, ...] = (value,)
            elif isinstance(value, Iterable):
                names = tuple(value)
            else:
                raise OptionError(f"{name}={value!r} must be names of columns.")
            object.__setattr__(self, name, names)
            if not all(isinstance(one, str) and one for one in names):
                raise OptionError(f"{name}={value!r} must be names of columns.")
        if self.order_by and not self.group_by:
            raise OptionError("order_by sorts the rows of a group; give group_by too.")
        if self.group_by and self.batch_rows is not None:
            raise OptionError(
                "batch_rows would cut groups, which group_by keeps whole; give one of the two."
            )

    def _check_prediction(self) -> None:
        if self.contributions not in _CONTRIBUTIONS:
            raise OptionError(
                f"contributions={self.contributions!r} is neither 'transformed' nor 'original'."
            )
        if self.probabilities not in _PROBABILITIES:
            raise OptionError(
                f"probabilities={self.probabilities!r} is neither 'columns' nor 'map'."
            )
        in_place = [name for name in ("margin", "contributions") if getattr(self, name)]
        if len(in_place) > 1:
            raise OptionError(
                "margin and contributions exclude each other: each takes the prediction's place; "
                "score twice for both."
            )
        of_predictions = {
            "labels": self.labels,
            "probabilities='map'": self.probabilities == "map",
            "intervals": self.intervals,
        }
        for name, is_asked in of_predictions.items():
            if is_asked and in_place:
                raise OptionError(
                    f"{name} is made of predictions, and {in_place[0]} takes their place; give one "
                    "of the two."
                )
        if self.fast_approx and not self.contributions:
            raise OptionError("fast_approx is a way to make contributions; give contributions too.")
        if self.threshold is not None:
            if not self.labels:
                raise OptionError("threshold chooses the label; give labels=True too.")
            object.__setattr__(self, "threshold", number("threshold", self.threshold, 0, 1))

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
        named = "transformed" if self.contributions is True else self.contributions or None
        return {
            "margin": self.margin,
            "contributions": named,
            "fast_approx": self.fast_approx,
            "apply_data_recipes": self.apply_data_recipes,
        }

    def for_prediction(self) -> Dict[str, Any]:
        """All options that change what a row gets, and none that only change how."""
        own = (
            "labels",
            "threshold",
            "probabilities",
            "intervals",
            "nan",
            "on_cast",
            "group_by",
            "order_by",
        )
        return {**self.for_answer(), **{name: getattr(self, name) for name in own}}

    def for_loading(self) -> Tuple[Any, ...]:
        """The options that a loaded scorer depends on, so that they are part of its key."""
        # With `diagnose`, so that a failure that was remembered without it is tried again.
        return (self.start_method, tuple(sorted(self.env_vars.items())), self.diagnose)


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
        return True
    except UnicodeEncodeError:
        return False
