"""What the benchmarks' page says of calls outside Spark: handle, MLflow model, server."""

from pathlib import Path
from typing import Any

from markdown import shown, table

Lines = list[str]


def handle(figures: dict[str, Any], folder: Path) -> Lines:
    """Calls of open_scorer's handle, one at a time and many at once."""
    many = figures["many"]
    return [
        "## A handle's calls",
        f"One row of {figures['columns']} columns a call, {figures['trees']} trees, everything "
        "warm; *direct* is the pipeline's own `score_batch` of a frame that is made already, in "
        "turn with the others.",
        table(
            ["one row", "p50, ms", "p99, ms"],
            [[way, *found.values()] for way, found in figures["one_row"].items()],
        ),
        f"`score` takes {shown(figures['over_direct_ms'])} ms more than direct, to reach "
        f"{figures['to_reach_over_direct_ms']:g}.",
        table(
            [f"{many['calls']} calls", "calls/s"],
            [
                ["direct, one process", many["direct_calls_per_s"]],
                ["direct, a process a core", many["parallel_calls_per_s"]],
                [f"`score` from {many['threads']} threads", many["handle_calls_per_s"]],
            ],
        ),
        f"That is {shown(figures['over_direct_rate'])} of {figures['cores']} x direct, to reach "
        f"{figures['to_reach_rate']:g}, and {shown(figures['over_parallel_rate'])} of direct in "
        f"as many processes, with {many['most_scorers']} scorers at most.",
        table(["where one row's time goes", "ms"], figures["parts_ms"].items()),
    ]


def mlflow_face(figures: dict[str, Any], folder: Path) -> Lines:
    """A row through MLflow's server, and MLflow's UDF beside `score_udf`."""
    spark = figures["spark_s"]
    ratios = figures["over_score_udf"]
    return [
        "## As an MLflow model",
        f"One row of a request, {figures['trees']} trees: *empty* is MLflow's server with a model "
        "of the same signature that answers a constant.",
        table(
            ["one row", "p50, ms", "p99, ms"],
            [[way, *found.values()] for way, found in figures["one_row"].items()],
        ),
        f"Above direct and empty together lie {shown(figures['over_direct_and_empty_ms'])} ms, to "
        f"stay below {figures['to_reach_ms']:g}.",
        f"MLflow's UDF on Spark, over {spark['rows']:,} rows:",
        table(
            ["on Spark", "s", "x score_udf"],
            [[way, spark[way], ratio] for way, ratio in ratios.items()],
        ),
        f"To reach {figures['to_reach_over_score_udf']:g}.",
    ]


def serving(figures: dict[str, Any], folder: Path) -> Lines:
    """The server beside DAI's form of server and MLflow's."""
    bulk, memory = figures["bulk"], figures["memory"]
    return [
        "## The server",
        f"One row of {figures['columns']} columns a request, {figures['trees']} trees, JSON over "
        "connections that stay open; each reply is compared with the pipeline's own scores. *DAI's "
        "form* is Tornado in the pipeline's Python, one thread, as the server in an export is.",
        table(
            ["one client", "p50, ms", "p99, ms"],
            [[way, *found.values()] for way, found in figures["one_client"].items()],
        ),
        f"That is {shown(figures['p50_over_direct'])} x direct at the median, to reach "
        f"{figures['to_reach_p50']:g}, and {shown(figures['p99_over_direct'])} x at the 99th "
        f"percentile, to reach {figures['to_reach_p99']:g}.",
        table(
            ["clients", "server", "rows/s", "p50, ms", "p99, ms"],
            [
                [clients, way, one["rows_per_s"], one["p50_ms"], one["p99_ms"]]
                for clients, found in figures["loads"].items()
                for way, one in found.items()
            ],
        ),
        "With most clients ours has "
        + ", ".join(f"{shown(x)} x {name}" for name, x in figures["over_peers"].items())
        + f", to reach {figures['to_reach_over_peers']:g} x each.",
        f"10,000 rows a call: {shown(bulk['direct_rows_per_s'])} rows/s direct, "
        f"{shown(bulk['arrow_over_direct'])} of it as Arrow, to reach "
        f"{figures['to_reach_bulk_over_direct']:g}, and {shown(bulk['json_over_direct'])} as JSON.",
        f"With a model of {memory['model_mb']:.0f} MB, {memory['n_scorers']} scorers at work take "
        f"{shown(memory['scorers_over_separate_loads'])} of as many separate loads, to stay below "
        f"{memory['to_reach']:g}, and the front {shown(memory['front_mb'])} MB.",
    ]
