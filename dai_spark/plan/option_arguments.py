"""OptionArguments: the options as keywords of a call, so that an editor shows and checks them."""

from typing import Mapping, Optional, Sequence, TypedDict, Union

__all__ = ["OptionArguments"]


class OptionArguments(TypedDict, total=False):
    """Fields of `ScoringOptions` as keyword arguments; any of them may be left out.

    Every face takes them as ``**overrides: Unpack[OptionArguments]``.  What each means stands in
    `ScoringOptions`.
    """

    margin: bool
    contributions: Union[bool, str]
    fast_approx: bool
    apply_data_recipes: bool
    labels: bool
    threshold: Optional[float]
    probabilities: str
    intervals: Optional[bool]
    group_by: Union[str, Sequence[str]]
    order_by: Union[str, Sequence[str]]
    max_group_bytes: int
    batch_rows: Optional[int]
    batch_bytes: int
    on_cast: str
    nan: str
    udf_type: Optional[str]
    deterministic: bool
    start_method: str
    max_scorers: Optional[int]
    max_batches_per_scorer: Optional[int]
    max_scorer_memory_bytes: Optional[int]
    start_timeout_s: float
    batch_timeout_s: float
    idle_timeout_s: float
    env_vars: Mapping[str, str]
    diagnose: bool
