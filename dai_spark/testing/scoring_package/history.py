"""What a time series pipeline knows of a group's past, from the rows of one batch alone.

A row's features come from the earlier rows of its group that are in the same batch and whose target
is given.  So the prediction of a row changes with the batch it is in: a caller that splits a group
gets other scores, as with DAI (test-time augmentation).
"""

from typing import Any, List

import pandas as pd

LAST = "last known target"
HOURS_SINCE = "hours since last known target"
HOUR = "hour of day"
DAY = "day of year"


def derive(frame: Any, time_column: str, group_columns: List[str], target: str) -> Any:
    """Return `frame`, in its own order, with the columns named above added as float64."""
    moment = pd.to_datetime(frame[time_column], utc=True, errors="coerce").dt.tz_convert(None)
    past = pd.DataFrame({"moment": moment.values, "target": frame[target].values})
    # Text keys, because older pandas drops the rows of a missing group.
    for i, name in enumerate(group_columns):
        past["group %d" % i] = frame[name].where(frame[name].notnull(), "").astype(str).values
    groups = ["group %d" % i for i in range(len(group_columns))]
    if not groups:
        past["group 0"], groups = "", ["group 0"]
    past["known at"] = past["moment"].where(past["target"].notnull())
    past = past.sort_values("moment", kind="mergesort")
    # Shift, then fill: a row is not predicted from its own target.
    for name in ("target", "known at"):
        past[name] = past.groupby(groups)[name].shift(1)
        past[name] = past.groupby(groups)[name].ffill()
    past = past.sort_index()
    known_at = pd.to_datetime(past["known at"])
    out = frame.copy()
    out[LAST] = past["target"].astype("float64").values
    out[HOURS_SINCE] = ((past["moment"] - known_at).dt.total_seconds() / 3600.0).values
    out[HOUR] = past["moment"].dt.hour.astype("float64").values
    out[DAY] = past["moment"].dt.dayofyear.astype("float64").values
    return out
