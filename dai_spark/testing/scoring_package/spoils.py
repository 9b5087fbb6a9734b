"""Fates of a pipeline that fails halfway, behind a change of its own state: later scores are wrong.

As in `fates` a batch with a marked row has the fate, but for `spoil_in_threes`, which every batch
of three rows has.  What is scored by the same process afterwards is off by one.
"""

from typing import Any

IN_SCORE = ("spoil_in_score", "spoil_short_in_score", "spoil_names_in_score")
ALL = (*IN_SCORE, "spoil_in_threes")

# How far off an answer is that the same process has given after its failure.
OFF_BY = 1.0

_spoilt = False


def spoil(fate: str, n_rows: int, has_mark: bool, answer: Any) -> Any:
    """Return a batch's answer as the fate leaves it, or raise."""
    global _spoilt
    fails = has_mark if fate in IN_SCORE else n_rows == 3
    if not fails:
        return answer + OFF_BY if _spoilt else answer
    _spoilt = True
    if fate == "spoil_short_in_score":
        return answer.iloc[:-1]
    if fate == "spoil_names_in_score":
        return answer.add_prefix("spoilt.")
    raise ValueError("stand-in: " + fate)
