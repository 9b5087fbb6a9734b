"""What the benchmarks' page says of each benchmark's figures."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import calls
import plots
from markdown import picture, shown, table

Lines = list[str]
# Stages that take less are left out.
LEAST_CPU_S = 0.05


def throughput(figures: dict[str, Any], folder: Path) -> Lines:
    """Every way of dai_spark against direct and bare."""
    page = [
        "## Throughput",
        f"{figures['rows']:,} rows of {figures['columns']} columns, numbers and text, in batches "
        f"of {figures['batch_rows']:,}, on {figures['cores']} cores; the pipeline on Python "
        f"{figures['pipeline_python']}. All scores equal those of direct scoring, bit for bit.",
    ]
    for model in figures["models"]:
        over = model["time_over_bare_and_direct"]
        against = model["rows_per_s_over_direct"]
        rows = [
            [way, median_s, model["rows_per_s"][way], over.get(way), against.get(way)]
            for way, median_s in model["median_s"].items()
        ]
        name = f"throughput-{model['trees']}-trees.svg"
        drawn = plots.bars(folder / name, model["rows_per_s"], "rows/s", list(over))
        head = ["", "seconds", "rows/s", "time / (bare + direct)", "rows/s / direct"]
        page += [
            f"### {model['trees']:,} trees",
            table(head, rows),
            picture(f"Rows a second, {model['trees']} trees", drawn),
        ]
    page.append(
        "To reach: time at most 0.95 of bare and direct together where Spark reads; where tasks "
        "read the files, 0.75 of them and 0.92 of direct's rows/s, with 1,000 trees 0.97."
    )
    return page


def one_batch(figures: dict[str, Any], folder: Path) -> Lines:
    """The way of one batch, in its parts."""
    models = figures["models"]
    rows = [
        [part, *[model["seconds"][part] * 1000 for model in models]]
        for part in models[0]["seconds"]
    ]
    page = [
        "## Where the time goes",
        f"One batch of {figures['batch_rows']:,} rows x {figures['columns']} columns, from Parquet "
        "to its scores, on one core; milliseconds. The worker's and the scorer's steps overlap "
        "with those of the batches before and behind it, Spark's with neither.",
        table(["", *[f"{model['trees']:,} trees" for model in models]], rows),
    ]
    for model in models:
        name = f"one-batch-{model['trees']}-trees.svg"
        parts = {part: value * 1000 for part, value in model["seconds"].items()}
        drawn = plots.stacks(folder / name, parts, f"milliseconds, {model['trees']:,} trees")
        page.append(picture(f"Parts of a batch's way, {model['trees']} trees", drawn))
    return page


def checks(figures: dict[str, Any], folder: Path) -> Lines:
    """The same batches with the checks of values and without."""
    return [
        "## What the checks cost",
        f"{figures['rows']:,} rows of {figures['columns']} columns, 100 trees, without Spark: each "
        "value held against what the pipeline can be sent and every answer against what was "
        f"described, beside casts that look at nothing. Goal: at most {figures['goal']:.0%} of the "
        "flights as they come.",
        table(
            [
                *("numbers", "with the checks, s", "without, s"),
                *("CPU of the worker with, s", "without, s", "cost"),
            ],
            [
                [
                    *(one["table"], *one["median_s"].values()),
                    *(*one["median_cpu_s"].values(), f"{one['cost']:.1%}"),
                ]
                for one in figures["tables"]
            ],
        ),
        "The time wavers by more than the checks take, so the cost is the worker's processor time "
        "more, as a share of the whole time.",
    ]


def peers(figures: dict[str, Any], folder: Path) -> Lines:
    """Against what people write by hand, and MLflow."""
    speed = figures["rows_per_s"]
    ours = [way for way in speed if way.startswith("dai_spark")]
    best = max(speed[way] for way in ours) if ours else None
    rows = [
        [way, figures["rows_of"][way], figures["median_s"][way], value, best and best / value]
        for way, value in sorted(speed.items(), key=lambda item: -item[1])
    ]
    page = [
        "## Against what people write by hand",
        "One pipeline of a Python (3.11) that can be hosted in Spark's own workers and by MLflow "
        f"{figures['mlflow']}, {figures['trees']} trees, batches of {figures['batch_rows']:,} "
        "rows, Parquet to Parquet. `bare` scores nothing.",
        table(["", "rows", "seconds", "rows/s", "best of dai_spark / it"], rows),
        picture("Rows a second", plots.bars(folder / "peers.svg", speed, "rows/s", ours)),
    ]
    apart = figures.get("isolated", {}).get("rows_per_s_without_start")
    if apart is not None:
        page.append(
            f"MLflow's isolated mode without the start of its servers: {shown(apart)} rows/s."
        )
    return page


def memory(figures: dict[str, Any], folder: Path) -> Lines:
    """Shared by scorers, and over growing tables."""
    sharing, growth = figures["sharing"], figures["growth"]
    smallest = {
        way: min(one["proportional_bytes"] for one in sharing[way]) / 1e6
        for way in ("fork", "spawn")
    }
    n_rows = [one["rows"] for one in growth]
    peaks = {
        "Python worker": [one["worker_peak_bytes"] / 1e6 for one in growth],
        "scorer": [one["scorer_peak_bytes"] / 1e6 for one in growth],
    }
    drawn = plots.lines(
        folder / "memory.svg", n_rows, peaks, ("rows", "peak MB"), logarithmic=False
    )
    return [
        "## Memory",
        f"{sharing['scorers']} scorers at work on an executor, each with a model of "
        f"{sharing['model_bytes'] / 1e6:,.0f} MB; proportional set size of the sidecar and all its "
        "scorers.",
        table(
            ["", "MB"],
            [
                ["forked, the model loaded once", smallest["fork"]],
                ["each loads", smallest["spawn"]],
            ],
        ),
        f"Ratio {sharing['fork_over_spawn']:.2f}, to reach {sharing['to_reach']:.2f}.",
        table(
            ["rows", "Python worker, peak MB", "scorer, peak MB"],
            list(zip(n_rows, *peaks.values())),
        ),
        picture("Peak memory over rows", drawn),
    ]


def cold_start(figures: dict[str, Any], folder: Path) -> Lines:
    """First use in parts, second use, large environments."""
    names = {
        "ship_s": "ship (driver)",
        "fetch_s": "fetch (executor)",
        "unpack_s": "unpack",
        "start_and_load_s": "start and load",
        "describe_s": "describe",
        "first_batch_s": "first batch",
    }
    cold = median_of(figures["cold"])
    large = median_of(figures["large"])
    warm = figures["warm"]
    parts = {shown_as: cold[name] for name, shown_as in names.items()}
    return [
        "## Cold start, warm start",
        table(["first use on a host", "seconds"], parts.items()),
        picture("Parts of a cold start", plots.stacks(folder / "cold.svg", parts, "seconds")),
        table(
            ["from submit to the first scored batch", "seconds"],
            [
                ["bare mapInArrow", warm["bare_s"]],
                ["second job on a warm executor", warm["second_job_s"]],
                [f"over bare (to reach {warm['to_reach_s']})", warm["over_bare_s"]],
            ],
        ),
        table(
            [f"environment of {large['environment_mb']:,.0f} MB", "seconds"],
            [
                ["first executor on a host, unpacks", large["first_executor_s"]],
                [
                    f"second executor there (to reach {large['to_reach_second_s']})",
                    large["second_executor_s"],
                ],
            ],
        ),
    ]


def median_of(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of each figure over runs."""
    return {name: sorted(run[name] for run in runs)[len(runs) // 2] for name in runs[0]}


def shapes(figures: dict[str, Any], folder: Path) -> Lines:
    """Columns and partitions."""
    columns, partitions = figures["columns"], figures["partitions"]
    cost = {
        "scored, over a bare mapInArrow": [one["over_bare_us_per_row"] for one in columns],
        "direct": [one["direct_us_per_row"] for one in columns],
    }
    drawn = plots.lines(
        folder / "columns.svg",
        [one["row_bytes"] for one in columns],
        cost,
        ("bytes of a row", "µs a row"),
    )
    return [
        "## Shapes of tables",
        f"Doubles in batches of {figures['batch_rows']:,} rows, {figures['trees']} trees, "
        f"{figures['cores']} cores.",
        table(
            [
                *("columns", "rows", "bare, s", "direct, s", "scored, s"),
                *("scored / (bare + direct)", "over bare, µs/row", "over bare, ns/byte"),
            ],
            [
                [
                    *(one["columns"], one["rows"]),
                    *(one["median_s"][way] for way in ("bare", "direct", "scored")),
                    one["time_over_bare_and_direct"],
                    *(one["over_bare_us_per_row"], one["over_bare_ns_per_byte"]),
                ]
                for one in columns
            ],
        ),
        picture("Cost per row over bytes per row", drawn),
        "A small table in more and more partitions. Where scoring takes less than nothing, a bare "
        "task waits for what dai_spark spares its own (docs/scoring.md, many small partitions):",
        table(
            [
                *("partitions", "rows", "bare, s", "scored, s", "over bare, ms a task"),
                "direct, ms a batch",
            ],
            [
                [
                    *(one["partitions"], one["rows"]),
                    *(one["median_s"]["bare"], one["median_s"]["scored"]),
                    *(one["over_bare_ms_per_task"], one["direct_ms_per_batch"]),
                ]
                for one in partitions
            ],
        ),
    ]


def bad_rows(figures: dict[str, Any], folder: Path) -> Lines:
    """What it costs to find rows that cannot be scored."""
    return [
        "## Bad rows",
        f"{figures['bad_rows']} rows that raise, exit, segfault, hang (limit of a batch "
        f"{figures['batch_timeout_s']:g} s) or score NaN, among {figures['rows']:,}: exactly these "
        "in quarantine, all others with the scores of the clean run.",
        table(["table job", "seconds"], figures["seconds"].items()),
    ]


def whole_job(figures: dict[str, Any], folder: Path) -> Lines:
    """The job beside what it is made of, by kind of process and by stage."""
    kinds = ("sum", "JVM", "JIT", "GC", "worker", "scorer", "driver", "wall")
    head = ["", "CPU-s", "JVM", "JIT", "GC", "workers", "scorers", "driver", "seconds"]
    ways, over = figures["ways"], figures["over_copy_and_direct"]
    parts = ways["copy"]["sum"] + ways["direct"]["sum"]
    written = ("scored and written", "the same, files read by tasks")
    floors = [f"{ways[name]['sum'] / parts:.2f}" for name in written]
    stages = [
        [stage["what"], *(stage[name] for name in ("tasks", "task_cpu_s", "shuffled_mb"))]
        for stage in ways["job"]["stages"]
        if stage["task_cpu_s"] > LEAST_CPU_S
    ]
    against = ", ".join(f"{name} {ratio['sum']:.2f}" for name, ratio in over.items())
    return [
        "## The whole job",
        f"{figures['rows']:,} rows x 23 columns, all kept, a model of {figures['trees']} trees, "
        "from Parquet to Parquet, with the check of the key, lineage, distributions, report and "
        "commit. CPU-seconds of each kind of process, since the clock wavers with what else the "
        "machine does. JIT and GC are threads of the JVM's own that have columns beside it; "
        "compiling (JIT) is done once, however many rows come.",
        table(head, [[way, *(taken.get(kind) for kind in kinds)] for way, taken in ways.items()]),
        f"CPU-seconds over those of copying and direct scoring together, to reach "
        f"{figures['goal']:.2f}: {against}. To score into Parquet and do nothing else takes "
        f"{floors[0]} of them where Spark reads, and {floors[1]} where tasks read the files.",
        "The job's stages, by Spark's event log; the CPU is that of the tasks' own threads.",
        table(["stage", "tasks", "CPU-s", "shuffled, MB"], stages),
    ]


def job_floors(figures: dict[str, Any], folder: Path) -> Lines:
    """A MERGE and a quarantine beside what they cannot do without."""
    ways, over = figures["ways"], figures["over_floor"]
    rows = [
        [way, taken["sum"], taken["wall"], over.get(way, {}).get("sum")]
        for way, taken in ways.items()
    ]
    return [
        "## A merge, and a quarantine",
        f"{figures['rows']:,} rows x 23 columns, all kept, {figures['trees']} trees. *Merge*: the "
        "job into a Delta table that holds a row for each of them; its floor is direct scoring and "
        "Spark's own MERGE of rows that are scored already. *Quarantine*: the job into Parquet, "
        f"with {figures['bad_rows']} rows among them on which the pipeline raises, and without; "
        f"its floor is direct scoring and the copy. To reach: {figures['goal']:.2f}.",
        "Workers that end with a failed task take their CPU-seconds along, so of a run with bad "
        "rows the clock says more.",
        table(["", "CPU-s", "seconds", "CPU-s over the floor"], rows),
    ]


def scale(figures: dict[str, Any], folder: Path) -> Lines:
    """What a cluster makes larger; of it the driver is measured, and the rest derived."""
    archive = figures["archive"]
    return [
        "## Scale",
        "The driver behind a job, garbage collected (in local mode the executor's heap is the "
        "same): what a task leaves there is Spark's own list of tasks.",
        table(
            ["tasks", "heap bare, MB", "heap scored, MB", "Python bare, MB", "Python scored, MB"],
            [
                [
                    one["tasks"],
                    *(one[way]["heap_mb"] for way in ("bare", "scored")),
                    *(one[way]["python_mb"] for way in ("bare", "scored")),
                ]
                for one in figures["tasks"]
            ],
        ),
        f"An environment of {archive['environment_mb']:,} MB, {archive['archive_mb']:.0f} MB as "
        f"an archive, on {archive['hosts']:,} hosts, derived of {archive['unpack_s']:.1f} s to "
        f"unpack it here, of a driver with {archive['driver_gbit']:g} Gbit/s and hosts with "
        f"{archive['host_gbit']:g}:",
        table(["where the archive is", "last host ready, s"], archive["last_host_s"].items()),
        "A billion rows within an hour, derived of the rows/s above; numbers of cores.",
        table(
            ["", "trees", "rows/s of a core", "cores"],
            [
                [one["way"], one["trees"], one["rows_per_s_of_a_core"], one["cores"]]
                for one in figures["billion_rows"]
            ],
        ),
    ]


SECTIONS: dict[str, Callable[[dict[str, Any], Path], Lines]] = {
    "throughput": throughput,
    "one_batch": one_batch,
    "checks": checks,
    "handle": calls.handle,
    "mlflow_face": calls.mlflow_face,
    "serving": calls.serving,
    "peers": peers,
    "memory": memory,
    "cold_start": cold_start,
    "shapes": shapes,
    "whole_job": whole_job,
    "job_floors": job_floors,
    "scale": scale,
    "bad_rows": bad_rows,
}
