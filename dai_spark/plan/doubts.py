"""doubts: what of a plan may give other scores than its user expects, though nothing is wrong."""

from typing import List, Sequence

from dai_spark.errors import shortened
from dai_spark.plan.plan import ScoringPlan

__all__ = ["doubts", "path_doubt"]


def doubts(plan: ScoringPlan) -> List[str]:
    """Sentences to warn with, once for each plan that has its description.

    Runs on the driver, or in a process that scores without Spark.
    """
    wanted = plan.wanted()
    found = []
    unknown = [name for name, column in wanted.items() if not column.is_known]
    if unknown:
        found.append(
            f"The export {plan.pipeline.label} does not tell whether the pipeline wants numbers "
            f"or text in {len(unknown)} of its {len(wanted)} columns ({shortened(unknown)}). They "
            "are given as the scored table has them: numbers as numbers, text and times as text. "
            "Cast them as the model was trained, and compare some scores with its own."
        )
    told = plan.described.path_columns if plan.described is not None else ()
    paths = [name for name, column in wanted.items() if name in told or column.holds_paths]
    if paths:
        found.append(path_doubt(paths))
    return found


def path_doubt(names: Sequence[str]) -> str:
    """What is to be known of columns that hold paths of files."""
    holds = "Column" if len(names) == 1 else "Columns"
    return (
        f"{holds} {shortened(names)} of the pipeline: the values are paths of files, which each "
        "executor opens by itself. A relative one is looked for in the scorer's own folder, where "
        "the file is not, and what is not found is scored as missing, without an error. Give "
        "absolute paths that are on every executor (a mount)."
    )
