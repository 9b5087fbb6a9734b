"""Reading Spark's event log: what became of each attempt at a task."""

import json
from pathlib import Path


def attempts(folder):
    """All attempts of an application, in the order of their ends, by the name of the job group."""
    (path,) = [path for path in Path(folder).iterdir() if path.name.startswith("app-")]
    group_of_stage, found = {}, {}
    for line in path.read_text().splitlines():
        # The last line of an application that was killed may be half a one.
        if not line.endswith("}"):
            continue
        event = json.loads(line)
        if event["Event"] == "SparkListenerJobStart":
            group = event.get("Properties", {}).get("spark.jobGroup.id")
            group_of_stage.update(dict.fromkeys(event["Stage IDs"], group))
        if event["Event"] == "SparkListenerTaskEnd":
            group = group_of_stage.get(event["Stage ID"])
            found.setdefault(group, []).append(
                _attempt(event["Stage ID"], event["Task Info"], event["Task End Reason"])
            )
    return found


def _attempt(stage, task, end):
    words = ("Description", "Kill Reason", "Loss Reason")
    return {
        "stage": stage,
        "index": task["Index"],
        "host": task["Host"],
        "executor": task["Executor ID"],
        "is_copy": task["Speculative"],
        "begun_s": task["Launch Time"] / 1000,
        "ended_s": task["Finish Time"] / 1000,
        "end": end["Reason"],
        "told": "\n".join(str(end[word]) for word in words if end.get(word)),
    }
