"""Tables, numbers and pictures in Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table, its numbers to the right."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    lines = [head, rule, *[[shown(cell) for cell in row] for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(cell: Any) -> str:
    """A figure as people read it."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def picture(text: str, name: str) -> str:
    """A plot within the page."""
    return f"![{text}](results/{name})"
