"""Charts of the HTML report: SVG that stands within the page and takes its colours from there."""

import io
import re
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple
from xml.etree import ElementTree

import numpy as np

from dai_spark.drift.distribution import Distribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["histogram"]

_N_BINS = 30
# Fewer rows than this are shown one by one.
_FEW_ROWS = 100
_INCHES = (4.5, 2.3)
# Stand-ins that matplotlib can draw with; the page's style sheet knows the colours.
_COLOURS = {
    "#010101": "var(--this-run)",
    "#020202": "var(--last-run)",
    "#030303": "var(--example)",
    "#040404": "var(--quiet)",
    "#050505": "var(--line)",
}
_THIS, _LAST, _EXAMPLE, _QUIET, _LINE = _COLOURS
_STYLE: Dict[Any, Any] = {
    "svg.fonttype": "none",
    # Equal reports give equal pages.
    "svg.hashsalt": "dai_spark",
    "font.size": 10,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _QUIET,
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _QUIET,
    "ytick.labelcolor": _QUIET,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


def histogram(
    name: str,
    this: Distribution,
    last: Optional[Distribution] = None,
    example: Optional[Distribution] = None,
    title: str = "",
    description: str = "",
) -> Optional[str]:
    """Draw one prediction's distribution as an ``<svg>`` element; None where it has no numbers.

    This run filled, the last one as an outline, the export's example rows as an outline or, where
    they are few, as a mark each: told apart without colours too.

    Parameters
    ----------
    name : str
        The chart's name within the page: letters, digits and dashes.
    this, last, example : Distribution
    title, description : str
        For readers who do not see it.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    sides = [side for side in (this, last, example) if side is not None and side.n]
    if not sides:
        return None
    edges = _edges(sides)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_INCHES, layout="constrained")
        axes = figure.add_subplot()
        axes.set_axisbelow(True)
        axes.grid(axis="y")
        if this.n:
            axes.stairs(
                this.histogram(edges), edges, fill=True, color=_THIS, alpha=0.65, gid="this-run"
            )
        if last is not None and last.n:
            axes.stairs(last.histogram(edges), edges, color=_LAST, linewidth=1.8, gid="last-run")
        if example is not None and example.n >= _FEW_ROWS:
            axes.stairs(
                example.histogram(edges),
                edges,
                color=_EXAMPLE,
                linestyle=":",
                linewidth=1.8,
                gid="example",
            )
        elif example is not None and example.n:
            places = [v for v in dict.fromkeys(example.values) if edges[0] <= v <= edges[-1]]
            # Below the axis, where no bar can hide them.
            axes.plot(
                places,
                [-0.05] * len(places),
                "^",
                color=_EXAMPLE,
                markersize=5,
                clip_on=False,
                transform=axes.get_xaxis_transform(),
                gid="example",
            )
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(bottom=0)
        axes.tick_params(axis="y", length=0)
        axes.tick_params(axis="x", length=0, pad=13)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.ticklabel_format(axis="x", useOffset=False)
        sink = io.StringIO()
        nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
        figure.savefig(sink, format="svg", transparent=True, metadata=nothing)
    return _inline(sink.getvalue(), name, title, description)


def _edges(sides: List[Distribution]) -> "NDArray[np.float64]":
    """Equal bins over where the values of all sides lie, but for far tails."""
    low, high = (
        pick(side.quantile(share) for side in sides) for pick, share in ((min, 0.01), (max, 0.99))
    )
    least, most = (min(side.values[0] for side in sides), max(side.values[-1] for side in sides))
    margin = (high - low) / 4
    low, high = max(least, low - margin), min(most, high + margin)
    if all(0 <= value <= 1 for value in (least, most)) and high - low > 0.5:
        low, high = 0.0, 1.0
    if not high > low:
        # One value: a bin around it that is wide enough to be told from it.
        half = max(abs(low) * 0.05, 1e-6)
        low, high = low - half, high + half
    return np.linspace(low, high, _N_BINS + 1)


def _inline(svg: str, name: str, title: str, description: str) -> str:
    """Make a file of matplotlib's an element of a page that holds several of them."""
    root = ElementTree.fromstring(svg)
    for parent in root.iter():
        for child in list(parent):
            # A style sheet within the picture would apply to the whole page.
            if _bare(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = _bare(element.tag)
        element.attrib = {
            _bare(key): _for_page(_bare(key), value, name) for key, value in element.attrib.items()
        }
    width, height = _size(root.attrib["viewBox"])
    root.attrib = {
        "viewBox": f"0 0 {width:g} {height:g}",
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-description",
    }
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        told = ElementTree.Element(
            tag, {"id": f"{name}-{'title' if tag == 'title' else 'description'}"}
        )
        told.text = text
        root.insert(place, told)
    return ElementTree.tostring(root, encoding="unicode")


def _bare(name: str) -> str:
    return name.rpartition("}")[2]


def _size(view_box: str) -> Tuple[float, float]:
    _, _, width, height = (float(number) for number in view_box.split())
    return width, height


def _for_page(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-")
    value = value.replace("url(#", f"url(#{name}-")
    for drawn, on_page in _COLOURS.items():
        value = value.replace(drawn, on_page)
    # The page's own font, in matplotlib's size.
    value = re.sub(r"font: ([\d.]+px)[^;]*", r"font-size: \1", value)
    return re.sub(r"font-family: [^;]*;?", "", value)
