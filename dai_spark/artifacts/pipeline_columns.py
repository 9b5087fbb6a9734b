"""PipelineColumn: the input columns of a pipeline, as its export declares them."""

import ast
import json
from dataclasses import dataclass
from typing import Iterator, List, Optional, Tuple

__all__ = ["PipelineColumn", "example_columns", "statistics_columns"]


@dataclass(frozen=True)
class PipelineColumn:
    """One input column as the export's example declares it.

    Attributes
    ----------
    name : str
    dtype : str
        pandas' name of the type: ``"float32"`` for every number since DAI 1.7 (also for
        integers), ``"object"`` for text and dates.
    samples : tuple of (str or None)
        The example's values, as text; None where missing.
    """

    name: str
    dtype: str
    samples: Tuple[Optional[str], ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether the pipeline wants numbers in this column."""
        return self.dtype != "object" and not self.dtype.startswith(("str", "datetime"))


def example_columns(source: str) -> Tuple[PipelineColumn, ...]:
    """Read the columns out of the source of an export's ``example.py``, which is never run.

    Parameters
    ----------
    source : str

    Returns
    -------
    tuple of PipelineColumn
        Empty where the source does not show any.
    """
    return tuple(_example_columns(source))


def statistics_columns(text: str, target: Optional[str]) -> Tuple[PipelineColumn, ...]:
    """Read the columns out of an export's ``training_data_column_stats.json``.

    Parameters
    ----------
    text : str
    target : str or None
        The column that is predicted, which is among them.

    Returns
    -------
    tuple of PipelineColumn
    """
    stats = json.loads(text)
    if isinstance(stats, str):  # exports exist that hold JSON inside a JSON string
        stats = json.loads(stats)
    found = []
    for name, column in stats.items():
        if name == target:
            continue
        is_number = bool(column.get("stats", {}).get("is_numeric", False))
        samples = tuple(None if v is None else str(v) for v in column.get("data", []))
        found.append(PipelineColumn(name, "float32" if is_number else "object", samples))
    return tuple(found)


def _example_columns(source: str) -> Iterator[PipelineColumn]:
    """Read ``pd.Series([...], name='x', dtype='float32')`` lines out of an export's example.py.

    The file is parsed and never run.  The last frame section (fit_transform_batch) repeats the
    columns with the target among them, so only the first mention of each name counts, and
    reading stops where that section begins.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    cut = source.find("fit_transform_batch(")
    last_line = source[:cut].count("\n") + 1 if cut >= 0 else source.count("\n") + 1
    seen = set()
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and n.lineno <= last_line]
    for call in sorted(calls, key=lambda c: (c.lineno, c.col_offset)):
        if not (isinstance(call.func, ast.Attribute) and call.func.attr == "Series"):
            continue
        words = {k.arg: k.value for k in call.keywords}
        name, dtype = _text(words.get("name")), _text(words.get("dtype"))
        if name is None or dtype is None or name in seen:
            continue
        seen.add(name)
        yield PipelineColumn(name, dtype, _samples(call))


def _text(node: Optional[ast.AST]) -> Optional[str]:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _samples(call: ast.Call) -> Tuple[Optional[str], ...]:
    if not call.args or not isinstance(call.args[0], (ast.List, ast.Tuple)):
        return ()
    values: List[Optional[str]] = []
    for node in call.args[0].elts:
        value = node.value if isinstance(node, ast.Constant) else None
        missing = value is None or str(value) in ("nan", "None", "")
        values.append(None if missing else str(value))
    return tuple(values)
