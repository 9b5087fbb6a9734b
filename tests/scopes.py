"""Which tests one process runs as a whole, and in which order: for xdist's two processes."""

from pathlib import Path

# Files whose tests share something costly: an application on a cluster, the Spark session.
SHARED = {
    "test_license": "table jobs",
    "test_table_jobs": "table jobs",
    "test_faults_killed": "faults",
    "test_faults_pipeline": "faults",
}
# Of the table job's tests those of what is scored, and when; the others are of what is written.
# Two scopes, since the suite has two processes, and all of them take longer than all others.
ROWS = {
    f"test_table_{name}"
    for name in ("guards", "identity", "killed", "new_rows", "paths", "sources", "years")
}
# What begins first: quick tests tell first; then what one process must do alone and takes long,
# so that the short ones fill up both processes until the end.
FIRST = ("fast", "rows of tables", "tables", "faults", "cluster", "spark")


def is_of_table_job(path):
    """Whether a file of tests runs the table job in the suite's session."""
    in_spark = "spark" in path.parts
    return in_spark and (path.stem.startswith("test_table_") or "table_job" in path.parts)


def scope_of(nodeid):
    """What is given to one process as a whole: a file, or all files that share something."""
    path = Path(nodeid.partition("::")[0])
    if "spark" in path.parts:
        if not is_of_table_job(path):
            return "spark"
        return "rows of tables" if path.stem in ROWS else "tables"
    return SHARED.get(path.stem, path.as_posix())


def turn_of(nodeid):
    """When a test's turn comes, by its scope or its folder."""
    names = (scope_of(nodeid), *Path(nodeid.partition("::")[0]).parts)
    return next((turn for turn, name in enumerate(FIRST) if name in names), len(FIRST))
