"""The flags of how a row is scored: what it gets, and by how many scorers."""

import argparse

from dai_spark.table_job.settings.flag_kinds import DEFAULTS, add_names, add_switch, flag, pair

__all__ = ["add_prediction", "add_scoring"]


def add_prediction(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what a row gets.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    group = parser.add_argument_group("prediction")
    add_switch(group, "--margin", "the model's margin in place of the prediction (default: no)")
    group.add_argument(
        "--contributions",
        choices=("transformed", "original"),
        help="what each feature, or each of the table's columns, adds to the margin, in place of "
        "the prediction (default: none)",
    )
    add_switch(group, "--fast-approx", "contributions by fewer of the model's trees (default: no)")
    add_names(
        group,
        "--group-by",
        "a,b",
        "score the rows of each group at once and apart from others, for pipelines whose score of "
        "a row depends on other rows (default: none)",
    )
    add_names(group, "--order-by", "a,b", "columns that sort the rows of a group")
    group.add_argument(
        "--max-group-bytes",
        type=int,
        metavar="N",
        help=f"refuse a larger group by its name (default: {DEFAULTS['max_group_bytes']:,})",
    )
    add_switch(
        group,
        "--apply-data-recipes",
        "the source is the raw data before the experiment's data recipe (default: no)",
    )
    add_switch(group, "--labels", "add the class that is chosen, as label (default: no)")
    group.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="of two classes, the least probability of the second one that chooses it (default: "
        "0.5)",
    )
    group.add_argument(
        "--probabilities",
        choices=("columns", "map"),
        help="a column for each class, or one map of all, for very many classes (default: "
        f"{DEFAULTS['probabilities']})",
    )
    add_switch(
        group,
        "--intervals",
        "demand prediction intervals, or leave them out (default: as the pipeline gives them)",
    )


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say by how many scorers and in what batches.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    group = parser.add_argument_group("scoring")
    for name, what in (
        ("batch_rows", "most rows the pipeline is given at once (default: as Spark sends)"),
        ("batch_bytes", f"the same limit in bytes (default: {DEFAULTS['batch_bytes']:,})"),
        (
            "max_scorers",
            "most scorers of an executor at the same time, where memory is short (default: as many "
            "as tasks)",
        ),
        (
            "max_batches_per_scorer",
            "replace a scorer after so many batches, for pipelines that leak (default: no limit)",
        ),
        ("max_scorer_memory_bytes", "the same above so much memory (default: no limit)"),
    ):
        group.add_argument(flag(name), type=int, metavar="N", help=what)
    for name, what in (
        ("start_timeout_s", "limit for unpacking, and again for loading"),
        ("batch_timeout_s", "limit for one batch"),
        ("idle_timeout_s", "a sidecar without a task for so long ends"),
    ):
        group.add_argument(
            flag(name), type=float, metavar="S", help=f"{what} (default: {DEFAULTS[name]:g})"
        )
    group.add_argument(
        "--start-method",
        choices=("auto", "fork", "spawn"),
        help="how each task gets its scorer; auto: fork where the pipeline bears it (default: "
        f"{DEFAULTS['start_method']})",
    )
    group.add_argument(
        "--env-var",
        dest="env_vars",
        action="append",
        type=pair,
        metavar="K=V",
        help="for the sidecar's environment, which inherits nothing; again for each",
    )
    group.add_argument(
        "--diagnose",
        action="store_true",
        help="where the pipeline cannot be loaded, tell what its Python sees of libraries",
    )
