"""Stages of a Spark application, by its event log."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Operators that say what a stage is for.
TELLING = ("Scan", "MapInArrow", "ArrowEvalPython", "CollectMetrics", "Aggregate", "WriteFiles")


def settings(folder: Path) -> dict[str, str]:
    """What a session is started with, so that it writes its log into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "spark__eventLog__enabled": "true",
        "spark__eventLog__compress": "false",
        "spark__eventLog__rolling__enabled": "false",
        "spark__eventLog__dir": folder.as_uri(),
    }


def stages(folder: Path, begun_ms: float, ended_ms: float) -> list[dict[str, Any]]:
    """The stages that were completed between two moments, in order.

    Parameters
    ----------
    folder : Path
        With the log of one application, which may still run.
    begun_ms, ended_ms : float
        Milliseconds since 1970.
    """
    tasks: dict[int, list[dict[str, Any]]] = defaultdict(list)
    found = []
    for event in _events(folder):
        if event["Event"] == "SparkListenerTaskEnd" and event.get("Task Metrics"):
            tasks[event["Stage ID"]].append(event["Task Metrics"])
        elif event["Event"] == "SparkListenerStageCompleted":
            stage = event["Stage Info"]
            if begun_ms <= stage["Submission Time"] <= ended_ms:
                found.append(stage)
    return [_figures(stage, tasks[stage["Stage ID"]]) for stage in found]


def _figures(stage: dict[str, Any], tasks: list[dict[str, Any]]) -> dict[str, Any]:
    names = {
        json.loads(rdd["Scope"])["name"].strip() for rdd in stage["RDD Info"] if rdd.get("Scope")
    }
    told = [word for word in TELLING if any(word in name for name in names)]
    written = [task["Shuffle Write Metrics"] for task in tasks]
    return {
        "what": ", ".join(told) or stage["Stage Name"].partition(" at ")[0],
        "tasks": len(tasks),
        "wall_s": (stage["Completion Time"] - stage["Submission Time"]) / 1e3,
        # Of the tasks' own threads; those that feed Python workers are others.
        "task_cpu_s": sum(task["Executor CPU Time"] for task in tasks) / 1e9,
        "shuffled_mb": sum(one["Shuffle Bytes Written"] for one in written) / 1e6,
        "written_mb": sum(task["Output Metrics"]["Bytes Written"] for task in tasks) / 1e6,
    }


def _events(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*")):
        with path.open(encoding="utf-8") as log:
            for line in log:
                if line.endswith("\n") and ("TaskEnd" in line[:60] or "StageCompl" in line[:60]):
                    yield json.loads(line)
