"""Columns that an export's example.py declares, which is read and never run."""

import ast
import re
import warnings
from dataclasses import replace
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from dai_spark.artifacts.export.text import source_text
from dai_spark.artifacts.pipeline_columns import PipelineColumn

__all__ = ["ExampleColumns", "example_columns"]

# Where the part begins that has the columns once more, with the target among them.
_TRAINING_PART = "fit_transform_batch("
_RULE = re.compile(r"#\s*-{5,}\s*$")
_TITLE = re.compile(r"#\s*(Name)\s+(Type)\s+(Range)\s*$")
_RANGE = re.compile(r"\[\s*([^,\s\]]+)\s*,\s*([^,\s\]]+)\s*\]")
# Behind the range of a column that was not always there in training.
_OR_NONE = "or None"


class ExampleColumns(NamedTuple):
    """The columns, and why there are none or not all where that is plain."""

    columns: Tuple[PipelineColumn, ...]
    trouble: Optional[str]


def example_columns(content: bytes) -> ExampleColumns:
    """Read the columns out of the source of an ``example.py``.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    ExampleColumns
        Of its frame, ``pd.Series([...], name='x', dtype='float32')``; of a program that cannot be
        parsed or has another shape, of the table in its comments, which has no samples.
    """
    source = source_text(content)
    try:
        with warnings.catch_warnings():
            # Of backslashes in column names.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        found, trouble = tuple(_in_calls(tree, source)), None
    except SyntaxError as error:
        found, trouble = (), f"is no Python program ({error.msg}, line {error.lineno})"
    except (ValueError, RecursionError, MemoryError) as error:
        found, trouble = (), f"is no Python program ({error or type(error).__name__})"
    commented = {column.name: column for column in _in_comments(source)}
    if found:
        found = tuple(
            replace(
                column,
                has_missing=commented[column.name].has_missing,
                limits=commented[column.name].limits,
            )
            if column.name in commented
            else column
            for column in found
        )
    else:
        found = tuple(commented.values())
    if not found and trouble is None:
        trouble = "declares no columns in a way that is known"
    return ExampleColumns(found, trouble)


def _in_calls(tree: ast.AST, source: str) -> Iterator[PipelineColumn]:
    """``Series(values, name=, dtype=)`` and ``dict(name=, type=)``, each name's first mention."""
    cut = source.find(_TRAINING_PART)
    last_line = source[:cut].count("\n") + 1 if cut >= 0 else source.count("\n") + 1
    seen = set()
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and n.lineno <= last_line]
    for call in sorted(calls, key=lambda c: (c.lineno, c.col_offset)):
        words = {k.arg: k.value for k in call.keywords}
        called = _word(call.func)
        if called == "Series":
            dtype = _word(words.get("dtype"))
        elif called == "dict":
            dtype = _word(words.get("type"))
        else:
            continue
        name = words.get("name")
        if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
            continue
        if dtype is None or name.value in seen:
            continue
        seen.add(name.value)
        yield PipelineColumn(name.value, dtype, _samples(call))


def _in_comments(source: str) -> Iterator[PipelineColumn]:
    """The table Name, Type, Range: columns as wide as their title's place says, between rules."""
    places: Optional[Tuple[int, int, int]] = None
    found: Dict[str, PipelineColumn] = {}
    for line in source.splitlines():
        title = _TITLE.match(line)
        if title is not None:
            places = (title.start(1), title.start(2), title.start(3))
        elif places is not None and _RULE.match(line):
            if found:
                break
        elif places is not None:
            if not line.startswith("#"):
                break
            name, dtype = line[places[0] : places[1]].strip(), line[places[1] : places[2]].strip()
            if name and dtype and " " not in dtype:
                values = line[places[2] :].strip()
                # Of text the table says nothing, a dash.
                has_missing = values.endswith(_OR_NONE) if values.startswith("[") else None
                column = PipelineColumn(
                    name, dtype, has_missing=has_missing, limits=_limits(values)
                )
                found.setdefault(name, column)
    yield from found.values()


def _limits(values: str) -> Optional[Tuple[float, float]]:
    """``[1, 12]`` and ``[1, 12] or None`` alike; a text has a dash."""
    found = _RANGE.match(values)
    if found is None:
        return None
    try:
        least, most = (float(text) for text in found.groups())
    except ValueError:
        return None
    return (least, most) if least <= most else None


def _word(node: Optional[ast.AST]) -> Optional[str]:
    """``'float32'``, ``np.float32`` and ``float`` alike."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _samples(call: ast.Call) -> Tuple[Optional[str], ...]:
    if not call.args or not isinstance(call.args[0], (ast.List, ast.Tuple)):
        return ()
    values: List[Optional[str]] = []
    for node in call.args[0].elts:
        value = node.value if isinstance(node, ast.Constant) else None
        missing = value is None or str(value) in ("nan", "None", "")
        values.append(None if missing else str(value))
    return tuple(values)
