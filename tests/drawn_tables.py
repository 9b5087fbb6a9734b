"""Tables that hypothesis draws: types, values, nulls, batches, and what pandas would have read."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

__all__ = ["ANY", "FINITE", "tables"]

EXACT = 2**53
# Number columns: a type, its values, and what pandas would have for one.
NUMBERS = [
    (pa.int8(), st.integers(-(2**7), 2**7 - 1), float),
    (pa.int16(), st.integers(-(2**15), 2**15 - 1), float),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1), float),
    (pa.int64(), st.integers(-EXACT, EXACT) | st.integers(0, 3000), float),
    (pa.bool_(), st.booleans(), float),
    (pa.decimal128(9, 2), st.decimals(-(10**6), 10**6, places=2), float),
    (pa.decimal128(38, 18), st.decimals(-(10**6), 10**6, places=2), float),
    (pa.null(), st.none(), float),
]
# XGBoost raises on what a float32 cannot hold.
FINITE = [
    (pa.float32(), st.floats(-(2.0**120), 2.0**120, width=32) | st.just(np.nan), float),
    (pa.float64(), st.floats(-1e38, 1e38) | st.floats(-1e4, 1e4) | st.just(np.nan), float),
]
ANY = [(pa.float32(), st.floats(width=32), float), (pa.float64(), st.floats(), float), *FINITE]
ODD = [
    "",
    " ",
    "NA",
    "N/A",
    "nan",
    "None",
    "unknown",
    "?",
    "inf",
    "é飛🛫",
    'a"b',
    "a,b\n",
    "x" * 3000,
]
KNOWN = ["UA", "AA", "DL", "EWR", "JFK", "LGA", "IAH", "MIA", "N14228", "N24211"]
MOMENTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)
TEXTS = [
    (pa.string(), st.sampled_from(KNOWN) | st.sampled_from(ODD) | st.text(max_size=20), str),
    (pa.large_string(), st.sampled_from(KNOWN + ODD), str),
    (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(KNOWN), str),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1), str),
    (pa.date32(), st.dates(dt.date(1, 1, 1)), lambda day: day.isoformat().zfill(10)),
    (pa.timestamp("us"), MOMENTS, lambda moment: moment.isoformat(" ")),
    (pa.null(), st.none(), str),
]
# What has no place: refused by the type.
REFUSED = {
    True: [(pa.date32(), st.dates()), (pa.binary(), st.binary()), (pa.string(), st.text())],
    False: [(pa.float64(), st.floats()), (pa.bool_(), st.booleans())],
}
# What has no place: refused by a value.
TOO_LARGE = (pa.int64(), st.integers(EXACT + 1, 2**63 - 1))
FRACTION = (pa.timestamp("us"), st.just(dt.datetime(2020, 5, 8, 1, 2, 3, 4)))


@st.composite
def tables(draw, wanted, floats):
    """Record batches, the frame that pandas would have read, and why they do not fit, if so."""
    misfit = draw(st.sampled_from([None] * 5 + ["type", "value"]))
    victim = draw(st.sampled_from(sorted(wanted))) if misfit else None
    n_rows = draw(st.integers(1 if misfit else 0, 40))
    places = np.random.default_rng(draw(st.integers(0, 1000)))
    columns, pandas = {}, {}
    for name, column in wanted.items():
        is_number = column.is_number
        kind, values, own = draw(st.sampled_from([*NUMBERS, *floats] if is_number else TEXTS))
        if name == victim:
            if misfit == "type":
                kind, values = draw(st.sampled_from(REFUSED[is_number]))
            else:
                kind, values = TOO_LARGE if is_number else FRACTION
        # A few values a column, since what hypothesis can draw for one table is bounded.
        pool = draw(st.lists(values, min_size=1, max_size=4))
        if name != victim:
            pool.append(None)
        drawn = [pool[i] for i in places.integers(0, len(pool), n_rows)]
        columns[name] = pa.array(drawn, kind)
        if victim is None:
            missing = np.nan if is_number else None
            found = [missing if value is None else own(value) for value in drawn]
            pandas[name] = pd.Series(found, dtype="float64" if is_number else "object")
    columns["extra"] = pa.array([b"x"] * n_rows)
    order = list(places.permutation(sorted(columns)))
    whole = pa.RecordBatch.from_arrays([columns[name] for name in order], names=order)
    cuts = sorted(draw(st.lists(st.integers(0, n_rows), max_size=3)))
    pieces = [whole.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, n_rows])]
    why = None
    if victim is not None:
        wants = "number" if wanted[victim].is_number else "text"
        why = f"{misfit} of {columns[victim].type} where a {wants} is wanted"
    return pieces, pd.DataFrame(pandas), why
