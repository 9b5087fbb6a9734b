"""The walls of the house: which room may import which, and what each room's map says of it."""

import ast
import re
import sys

import pytest
from imports import PACKAGE, ROOT, breaches, circles, import_graph, is_below, modules, nodes

SIDECAR_LIBRARIES = {"numpy", "pandas", "pyarrow"}
# Every room, and the rooms below it that it may import; what is not named here it may not.
ROOMS = {
    "host": [],
    "artifacts": ["host"],
    "registry": ["host", "artifacts"],
    "plan": ["host", "artifacts", "registry"],
    "schema": ["host", "artifacts", "plan"],
    "drift": [],
    "row_formats": ["artifacts", "plan", "schema"],
    "unpack": ["host", "artifacts", "plan"],
    "sidecar": [],
    "client": ["host", "artifacts", "plan", "schema", "drift", "unpack", "sidecar"],
    "local": ["host", "artifacts", "registry", "plan", "schema", "unpack", "client"],
    "batch_files": ["host", "artifacts", "plan", "schema", "row_formats", "local"],
    "inference_log": ["host", "artifacts", "plan", "schema", "local"],
    "serving": [
        *("host", "artifacts", "registry", "plan", "schema", "row_formats", "local"),
        *("drift", "batch_files", "inference_log"),
    ],
    "mlflow": ["host", "artifacts", "registry", "plan", "schema", "row_formats", "local"],
    "driver": ["host", "artifacts", "plan", "schema", "drift", "client"],
    "table_job": ["host", "artifacts", "registry", "plan", "schema", "drift", "driver"],
    "envbuild": ["host", "artifacts", "registry", "plan", "unpack"],
    "packager": ["host", "artifacts", "registry", "plan"],
    "testing": ["host"],
    "cli": [
        "host",
        "artifacts",
        "registry",
        "plan",
        "schema",
        "row_formats",
        "unpack",
        "driver",
        "local",
        "batch_files",
        "drift",
        "inference_log",
        "serving",
        "mlflow",
        "table_job",
        "envbuild",
        "packager",
    ],
}
# Modules that all rooms may import, but for the sidecar's.
COMMON = ["dai_spark.errors", "dai_spark.metrics", "dai_spark._version"]
# The command line calls what is public, as its users may.
PUBLIC = ["dai_spark.environments", "dai_spark.files"]
# What a client may know of the sidecar: what both sides have.
SHARED = ["protocol", "process", "log", "verdict", "texts.secret"]
MOST_FILES = 13


def rooms():
    """The package's folders at its top."""
    return sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists())


def folders():
    """Every folder of the package that holds modules, but the stand-in's own package."""
    return sorted(
        path.parent
        for path in PACKAGE.rglob("__init__.py")
        if "scoring_package" not in path.parts and path.parent != PACKAGE
    )


def test_every_room_has_walls():
    """A new folder says what it may import before it imports anything."""
    assert rooms() == sorted(ROOMS)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_only_what_stands_below_it(room):
    """Imports go down, those for types included; no face knows another face."""
    allowed = [*COMMON, *(f"dai_spark.{name}" for name in [room, *ROOMS[room]])]
    allowed += PUBLIC if room == "cli" else []
    assert (
        breaches(
            modules(room), lambda name: not is_below(name, "dai_spark") or is_below(name, *allowed)
        )
        == []
    )


def test_what_stands_at_the_top_imports_nothing():
    """The public names are found when they are asked for, so a module at the top costs nothing."""
    top = [path for path in PACKAGE.glob("*.py") if path.name in ("errors.py", "metrics.py")]
    assert len(top) == 2
    assert breaches(top, lambda name: not is_below(name, "dai_spark")) == []


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 has no list of its modules")
def test_the_sidecar_imports_nothing_of_the_rest():
    """What runs in the pipeline's Python has the standard library, pandas, pyarrow and itself."""
    standard = set(sys.stdlib_module_names)
    allowed = standard | SIDECAR_LIBRARIES
    assert (
        breaches(
            modules("sidecar"),
            lambda name: is_below(name, "dai_spark.sidecar") or name.split(".")[0] in allowed,
        )
        == []
    )


def test_the_sidecar_imports_its_siblings_relatively():
    """On executors the sidecar's folder has another name, so `dai_spark.` must not be spelt."""
    spelt = [
        str(path.relative_to(ROOT))
        for path in modules("sidecar")
        if re.search(r"^\s*(from|import) dai_spark", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert spelt == []


def test_a_client_knows_of_the_sidecar_what_both_sides_have():
    """Client and sidecar run in different Pythons: they share the protocol and little more."""
    shared = [f"dai_spark.sidecar.{name}" for name in SHARED]
    found = breaches(
        modules("client"),
        lambda name: not is_below(name, "dai_spark.sidecar") or is_below(name, *shared),
    )
    assert found == []


def test_only_the_driver_and_the_table_job_know_spark_sql():
    """Everything else works without a Spark session."""
    elsewhere = [
        path
        for path in modules(".")
        if path.relative_to(PACKAGE).parts[0] not in ("driver", "table_job")
    ]
    assert breaches(elsewhere, lambda name: not is_below(name, "pyspark.sql")) == []


def test_classes_of_the_jvm_are_asked_for_by_their_whole_name():
    """By `java_class`: of each package that is asked for, the JVM looks through all of its jars."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules(".")
        for node in nodes(path)
        if isinstance(node, ast.Attribute)
        and node.attr in ("com", "io", "java", "org", "scala")
        and re.search(r"jvm$", ast.unparse(node.value))
    ]
    assert found == []


def test_no_modules_import_each_other():
    """There is an order in which the modules stand on each other, imports for typing included."""
    graph = import_graph()
    assert len(graph) > 100
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]
    assert circles(graph) == []


def test_the_table_jobs_rooms_stand_on_each_other():
    """Settings and reports are below the tables, the tables below the run, one way."""

    def room(module):
        parts = module.split(".")
        return ".".join(parts[:3]) if parts[1] == "table_job" else "the rest"

    graph = import_graph(room)
    assert {"dai_spark.table_job.run", "dai_spark.table_job.targets"} <= set(graph)
    del graph["the rest"]
    assert circles({node: found - {"the rest"} for node, found in graph.items()}) == []


@pytest.mark.parametrize("folder", folders(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_rooms_map_names_its_files(folder):
    """The docstring of each folder says in one line each what its files and folders are."""
    text = (folder / "__init__.py").read_text(encoding="utf-8")
    docstring = text.split('"""')[1]
    mapped = set(re.findall(r"^    (\w+/?)(?:  |$)", docstring.partition("::")[2], re.MULTILINE))
    there = {path.stem for path in folder.glob("*.py") if path.stem not in ("__init__", "__main__")}
    there |= {f"{path.name}/" for path in folder.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert mapped == there


@pytest.mark.parametrize("folder", folders(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_holds_what_one_can_look_over(folder):
    """More files than one sees at a glance want a room within the room."""
    files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(files) <= MOST_FILES


def test_a_name_means_one_thing():
    """One base name stands for one module, but where each side of a wall has its own."""
    homes = {}
    for path in modules("."):
        if path.name not in ("__init__.py", "__main__.py") and "scoring_package" not in path.parts:
            homes.setdefault(path.stem, []).append(str(path.relative_to(ROOT)))
    twice = {name: found for name, found in homes.items() if len(found) > 1}
    assert set(twice) <= TWO_SIDES, twice


# The two ends of a socket, and what client and sidecar cannot share since each stands alone.
TWO_SIDES = {"connection", "atomic_file"}
