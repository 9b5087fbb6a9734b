"""judged: a run held against its contract, a check for each demand."""

from dataclasses import dataclass, field
from typing import Callable, List, Mapping, Optional, Sequence

from dai_spark.drift.distribution import Distribution
from dai_spark.drift.input_column import InputColumn
from dai_spark.drift.stability_index import psi
from dai_spark.errors import ContractError
from dai_spark.table_job.contract.terms import ALL, Contract
from dai_spark.table_job.report.check import FAILED, OK, UNKNOWN, Check

__all__ = ["Figures", "judged", "refuse_failed"]


@dataclass(frozen=True)
class Figures:
    """What a contract looks at of a run, and of the job's last one.

    Attributes
    ----------
    n_rows, n_bad : int or None
        Rows read, and those of them that cannot be scored.
    inputs : mapping of str to InputColumn
    predictions : mapping of str to Distribution
    """

    n_rows: Optional[int] = None
    n_bad: int = 0
    inputs: Mapping[str, InputColumn] = field(default_factory=dict)
    predictions: Mapping[str, Distribution] = field(default_factory=dict)


def judged(contract: Contract, run: Figures, last: Figures) -> List[Check]:
    """Hold a run against its contract.

    Runs on the driver, when rows are staged and nothing is committed.

    Parameters
    ----------
    contract : Contract
    run : Figures
    last : Figures
        Of the job's last run; empty where there was none.

    Returns
    -------
    list of Check
        In the order of the file.  What cannot be compared, since there was no run before or its
        rows were too few, is unknown; what was not measured has failed.
    """
    found = [_of_rows(key, limit, run, last) for key, limit in contract.rows.items()]
    n_rows = run.n_rows or 0
    for limit in contract.bad_rows.values():
        share = run.n_bad / n_rows if n_rows else 0.0
        found.append(_check("bad rows", f"{share:.4%}", f"at most {limit:.4%}", share <= limit))
    for name in _columns(contract.inputs, run.inputs):
        column, before = run.inputs.get(name), last.inputs.get(name)
        for key, limit in contract.for_column("inputs", name).items():
            found.append(_of_input(f"input {name}", key, limit, column, before))
    for name in _columns(contract.predictions, run.predictions):
        side, earlier = run.predictions.get(name), last.predictions.get(name)
        for key, limit in contract.for_column("predictions", name).items():
            found.append(_of_prediction(f"prediction {name}", key, limit, side, earlier))
    return found


def refuse_failed(contract: Contract, checks: Sequence[Check]) -> None:
    """Raise where a check of a contract has failed.

    Parameters
    ----------
    contract : Contract
    checks : sequence of Check

    Raises
    ------
    ContractError
        Names each of them with what was found and allowed.
    """
    failed = [check for check in checks if check.outcome == FAILED]
    if failed:
        named = "; ".join(f"{check.what}: {check.text}" for check in failed)
        raise ContractError(
            f"The run is not what its contract {contract.path} says it must be ({named}), so the "
            "target was left as it was; look at the source, or change the contract."
        )


def _columns(demanded: Mapping[str, object], there: Mapping[str, object]) -> List[str]:
    own = [name for name in demanded if name != ALL]
    return [*own, *(name for name in there if name not in own)] if ALL in demanded else own


def _of_rows(key: str, limit: float, run: Figures, last: Figures) -> Check:
    if run.n_rows is None:
        return _unmeasured("rows", key, limit)
    if not key.endswith("_of_last"):
        return _limited("rows", key, run.n_rows, limit, lambda value: f"{value:,.0f}")
    if not last.n_rows:
        return Check("rows", "no earlier run", f"{_word(key)} {limit:g} of its rows", UNKNOWN)
    share = run.n_rows / last.n_rows
    return _check(
        "rows",
        f"{run.n_rows:,}, {share:.2f} of the last run's {last.n_rows:,}",
        f"{_word(key)} {limit:g} of its rows",
        share >= limit if key.startswith("min") else share <= limit,
    )


def _of_input(
    what: str, key: str, limit: float, column: Optional[InputColumn], last: Optional[InputColumn]
) -> Check:
    if column is None:
        return _unmeasured(what, key, limit)
    if key == "max_null_share":
        share = column.null_share
        return _check(f"{what}, nulls", f"{share:.4%}", f"at most {limit:.4%}", share <= limit)
    if key == "max_psi":
        return _of_psi(what, limit, None if last is None else column.psi(last), last is not None)
    value = getattr(column, _bound(key))
    if value is None:
        is_number = column.numbers is not None
        return Check(
            what,
            "no value" if is_number else "no number",
            f"{_word(key)} {limit:g}",
            OK if is_number else FAILED,
        )
    return _limited(f"{what}, {_bound(key)}", key, value, limit)


def _of_prediction(
    what: str, key: str, limit: float, side: Optional[Distribution], last: Optional[Distribution]
) -> Check:
    if side is None:
        return _unmeasured(what, key, limit)
    if key == "max_null_share":
        share = (side.n_null + side.n_nan) / side.n_rows if side.n_rows else 0.0
        return _check(
            f"{what}, null or NaN", f"{share:.4%}", f"at most {limit:.4%}", share <= limit
        )
    if key == "max_psi":
        return _of_psi(what, limit, None if last is None else psi(last, side), last is not None)
    name = {"min": "minimum", "max": "maximum", "min_mean": "mean", "max_mean": "mean"}[key]
    value = getattr(side, name)
    if side.n_infinite and key in ("min", "max"):
        return Check(f"{what}, {name}", "infinite values", f"{_word(key)} {limit:g}", FAILED)
    if value is None:
        return Check(what, "no value", f"{_word(key)} {limit:g}")
    return _limited(f"{what}, {name}", key, value, limit)


def _of_psi(what: str, limit: float, index: Optional[float], has_last: bool) -> Check:
    allowed = f"at most {limit:g}"
    if index is None:
        return Check(
            f"{what}, drift", "too few rows" if has_last else "no earlier run", allowed, UNKNOWN
        )
    return _check(f"{what}, drift", f"PSI {index:.3f}", allowed, index <= limit)


def _limited(
    what: str, key: str, value: float, limit: float, shown: Callable[[float], str] = "{:g}".format
) -> Check:
    is_right = value >= limit if key.startswith("min") else value <= limit
    return _check(what, shown(value), f"{_word(key)} {shown(limit)}", is_right)


def _check(what: str, found: str, allowed: str, is_right: bool) -> Check:
    return Check(what, found, allowed, OK if is_right else FAILED)


def _unmeasured(what: str, key: str, limit: float) -> Check:
    return Check(what, "was not measured", f"{key} {limit:g}", FAILED)


def _word(key: str) -> str:
    return "at least" if key.startswith("min") else "at most"


def _bound(key: str) -> str:
    return {"min": "minimum", "max": "maximum"}[key]
