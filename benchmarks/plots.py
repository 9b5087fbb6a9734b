"""Plots of the benchmarks' figures, as small SVG files beside them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
# Equal figures give equal files.
mpl.rcParams["svg.hashsalt"] = "dai_spark"
mpl.rcParams["svg.fonttype"] = "none"
mpl.rcParams["font.size"] = 9

from matplotlib import pyplot as plt  # noqa: E402 - the backend is chosen before

_OURS, _OTHERS = "tab:blue", "tab:gray"


def bars(path: Path, values: Mapping[str, float], label: str, ours: Sequence[str]) -> str:
    """Draw one bar a way, dai_spark's in a colour of their own; return the file's name."""
    figure, axes = plt.subplots(figsize=(7, 0.35 * len(values) + 0.8))
    names = list(values)[::-1]
    colours = [_OURS if name in ours else _OTHERS for name in names]
    drawn = axes.barh(names, [values[name] for name in names], color=colours)
    axes.bar_label(drawn, fmt="{:,.0f}", padding=3)
    axes.set_xlabel(label)
    axes.margins(x=0.15)
    return _saved(figure, path)


def stacks(path: Path, parts: Mapping[str, float], label: str) -> str:
    """Draw the parts of one whole behind each other; return the file's name."""
    figure, axes = plt.subplots(figsize=(7, 1.6))
    left = 0.0
    for name, value in parts.items():
        axes.barh([""], [value], left=left, label=f"{name} {value:.2g}")
        left += value
    axes.set_xlabel(label)
    axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    return _saved(figure, path)


def lines(
    path: Path,
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    labels: tuple[str, str],
    *,
    logarithmic: bool = True,
) -> str:
    """Draw one line a series; return the file's name."""
    figure, axes = plt.subplots(figsize=(7, 3))
    for name, values in series.items():
        axes.plot(x, values, marker="o", label=name)
    if logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.legend(frameon=False)
    return _saved(figure, path)


def _saved(figure: plt.Figure, path: Path) -> str:
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return path.name
