"""The report as one page of HTML that needs nothing else: no network, no other file, no script."""

from importlib import import_module, resources
from typing import Any, Dict, List, Optional

from dai_spark.drift.distribution import Distribution
from dai_spark.drift.input_column import InputColumn
from dai_spark.drift.stability_index import LITTLE, MUCH, reading
from dai_spark.errors import OptionError
from dai_spark.table_job.report.charts import histogram
from dai_spark.table_job.report.outcome import STATUSES
from dai_spark.table_job.report.report import Report

__all__ = ["check_available", "page"]

_LIBRARIES = ("jinja2", "matplotlib")
# A part has the same colour on every page, whichever parts a run has.
_PARTS = {
    "checking": 1,
    "shipping": 2,
    "loading": 3,
    "scoring": 4,
    "reading, scoring, writing": 4,
    "Spark reading and writing": 5,
    "writing into the target": 6,
    "verifying": 7,
}


def check_available() -> None:
    """Refuse a page that this Python could not draw, before anything is scored.

    Runs on the driver; takes a second, since it loads what draws.

    Raises
    ------
    OptionError
        Names what the driver's Python lacks.
    """
    lacking = []
    for name in _LIBRARIES:
        try:
            import_module(name)
        except ImportError:
            lacking.append(name)
    if lacking:
        raise OptionError(
            f"A report as .html is drawn with {' and '.join(lacking)}, which the driver's Python "
            "lacks; install dai_spark[report] there, or ask for the .json alone."
        )


def page(report: Report) -> str:
    """Write a report as a page.

    Runs on the driver.  All that comes from tables and pipelines is escaped, and the page forbids
    itself to load or run anything.

    Parameters
    ----------
    report : Report

    Raises
    ------
    OptionError
        See `check_available`.
    """
    check_available()
    import jinja2
    from markupsafe import Markup

    source = resources.files("dai_spark.table_job.report").joinpath("page.html")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    predictions = [_prediction(report, i, name) for i, name in enumerate(report.distributions)]
    for one in predictions:
        one["picture"] = Markup(one["picture"]) if one["picture"] else ""
    return environment.from_string(source.read_text(encoding="utf-8")).render(
        report=report,
        mood=_mood(report),
        tiles=_tiles(report),
        predictions=predictions,
        inputs=_inputs(report),
        history=_history(report),
        n_more=max(len(report.prediction) - len(predictions), 0),
        rows=_rows(report),
        times=_times(report),
        time_told=", ".join(f"{n} {_seconds(s)}" for n, s in report.time_split.items()),
        lineage=_lineage(report),
        little=LITTLE,
        much=MUCH,
    )


def _mood(report: Report) -> str:
    if report.status == "dry run":
        return ""
    return "bad" if STATUSES[report.status] else "good"


def _tiles(report: Report) -> List[Dict[str, str]]:
    found = {}
    if report.n_rows is not None:
        found["rows written"] = f"{report.n_rows:,}"
    if report.rows_per_s:
        found["rows a second"] = f"{report.rows_per_s:,.0f}"
    if report.n_quarantined is not None:
        found["bad rows"] = f"{report.n_quarantined:,}"
    indices = [value for value in report.psi.values() if value is not None]
    if indices:
        found["largest PSI"] = f"{max(indices):.3f}"
    found["whole run"] = _seconds(report.total_s)
    return [{"name": name, "value": value} for name, value in found.items()]


def _rows(report: Report) -> List[Dict[str, str]]:
    names = (
        ("read", report.n_read),
        ("scored", report.n_scored),
        ("written", report.n_written),
        ("of them inserted", report.n_inserted),
        ("of them updated", report.n_updated),
        ("left unchanged", report.n_unchanged),
        ("deleted", report.n_deleted),
        ("set aside as bad", report.n_quarantined),
    )
    return [{"name": name, "value": f"{n:,}"} for name, n in names if n is not None]


def _times(report: Report) -> List[Dict[str, Any]]:
    found: List[Dict[str, Any]] = []
    left = 0.0
    for name, seconds in report.time_split.items():
        share = seconds / report.total_s if report.total_s > 0 else 0.0
        found.append(
            {
                "name": name,
                "seconds": _seconds(seconds),
                "share": f"{share:.0%}",
                "left": f"{100 * left:.2f}",
                "width": f"{100 * share:.2f}",
                "colour": _PARTS[name],
            }
        )
        left += share
    return found


def _lineage(report: Report) -> List[Dict[str, Any]]:
    found = (
        ("run", report.run_id, True),
        ("job", report.job_name, False),
        ("mode", report.mode, False),
        ("scored at", report.scored_at, False),
        ("pipeline", report.pipeline, False),
        ("model", report.model.details if report.model is not None else "", False),
        ("experiment", report.experiment_id, True),
        ("pipeline digest", report.pipeline_digest, True),
        ("environment", report.environment, False),
        ("environment digest", report.environment_digest, True),
        ("dai_spark", report.library_version, False),
        ("source version", report.source_version, False),
        ("reading", report.reading, False),
        ("read up to", report.high_water_mark, False),
        ("columns used", f"{len(report.columns)}: {', '.join(report.columns)}", False),
    )
    return [
        {"name": name, "value": value, "is_code": is_code}
        for name, value, is_code in found
        if value and value != "0: "
    ]


def _prediction(report: Report, place: int, name: str) -> Dict[str, Any]:
    this = report.distributions[name]
    last = report.last_distributions.get(name)
    example = report.example_distributions.get(name)
    sides = {"this run": this}
    if last is not None:
        sides["last run"] = last
    if example is not None:
        sides["example"] = example
    index = report.psi.get(name)
    told = "; ".join(
        f"{of}: {side.n:,} values from {_number(side.minimum)} to {_number(side.maximum)}, "
        f"mean {_number(side.mean)}, median {_number(_median(side))}"
        for of, side in sides.items()
    )
    return {
        "id": f"prediction-{place}",
        "name": name,
        "has_last": last is not None,
        "psi": index,
        "example_psi": report.example_psi.get(name),
        "reading": reading(index),
        "mood": _drift_mood(index, report.drift_limit),
        "picture": histogram(
            f"picture-{place}", this, last, example, f"Distribution of {name}", told
        ),
        "sides": [{"name": of} for of in sides],
        "rows": _figures(list(sides.values())),
    }


def _inputs(report: Report) -> List[Dict[str, str]]:
    """The columns that the pipeline reads, those first that have moved most."""
    indices = report.input_psi
    found = []
    for name in sorted(report.inputs, key=lambda one: -(indices.get(one) or 0.0)):
        this, last = report.inputs[name], report.last_inputs.get(name)
        index, sides = indices.get(name), [this] if last is None else [this, last]
        shown = [f"{side.null_share:.2%}" for side in sides]
        found.append(
            {
                "name": name,
                "psi": "" if index is None else f"{index:.3f}, ",
                "reading": reading(index) if last is not None else "",
                "mood": _drift_mood(index, None),
                "nulls": shown[0],
                "last_nulls": shown[1] if last is not None else "",
                "value": _typical(this),
                "last_value": _typical(last) if last is not None else "",
            }
        )
    return found


def _typical(column: InputColumn) -> str:
    if column.numbers is not None:
        return _number(_median(column.numbers))
    often = max(column.categories.items(), key=lambda item: item[1], default=None)
    return "" if often is None else f"{often[0]} ({often[1]:.0%})"


def _history(report: Report) -> List[Dict[str, Any]]:
    """Earlier runs with the height of a bar each, of the rows that they wrote."""
    most = max((run.n_rows or 0 for run in report.history), default=0)
    return [
        {
            "run": run,
            "n_rows": "" if run.n_rows is None else f"{run.n_rows:,}",
            "psi": "" if run.psi is None else f"{run.psi:.3f}",
            "height": f"{38 * (run.n_rows or 0) / most if most else 0:.2f}",
            "is_this": run.run_id == report.run_id,
        }
        for run in report.history
    ]


def _drift_mood(index: Optional[float], limit: Optional[float]) -> str:
    if index is None:
        return ""
    return (
        "bad"
        if index > (MUCH if limit is None else limit)
        else "fair"
        if index > LITTLE
        else "good"
    )


def _figures(sides: List[Distribution]) -> List[Dict[str, Any]]:
    found = [
        {"name": "rows", "cells": [f"{side.n_rows:,}" for side in sides]},
        {"name": "mean", "cells": [_number(side.mean) for side in sides]},
        {"name": "median", "cells": [_number(_median(side)) for side in sides]},
        {"name": "lowest", "cells": [_number(side.minimum) for side in sides]},
        {"name": "highest", "cells": [_number(side.maximum) for side in sides]},
    ]
    for name, counted in (("null", "n_null"), ("NaN", "n_nan"), ("infinite", "n_infinite")):
        counts = [getattr(side, counted) for side in sides]
        if any(counts):
            found.append({"name": name, "cells": [f"{n:,}" for n in counts]})
    return found


def _median(side: Distribution) -> Optional[float]:
    return side.quantile(0.5) if side.n else None


def _number(value: Optional[float]) -> str:
    if value is None:
        return "none"
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
