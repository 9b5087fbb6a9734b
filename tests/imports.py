"""Which module imports which, read from the source of the package."""

import ast
import functools
import importlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dai_spark"


def modules(*folders):
    """Every module below the given folders of the package, as paths."""
    return sorted(path for folder in folders for path in (PACKAGE / folder).rglob("*.py"))


@functools.cache
def nodes(path):
    """All nodes of a module's syntax, which many tests look through."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@functools.cache
def imported(path):
    """List (line, absolute dotted name) of everything that a module imports."""
    found = []
    package = ("dai_spark", *path.relative_to(PACKAGE).parent.parts)
    for node in nodes(path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.append((node.lineno, alias.name))
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                found.append((node.lineno, f"{module}.{alias.name}"))
    return found


def breaches(paths, is_allowed):
    """List what the modules import and may not, as one would look it up."""
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in paths
        for line, name in imported(path)
        if not is_allowed(name)
    ]


def is_below(name, *packages):
    """Whether a dotted name is one of the packages or lies in one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def module_name(path):
    """The dotted name of a module's file; a package's is that of its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def not_offered(paths):
    """Names in the `__all__` of modules, which are imported, that these do not have."""
    wrong = []
    for path in paths:
        module = importlib.import_module(module_name(path))
        offered = getattr(module, "__all__", ["__all__"])
        wrong += [f"{module.__name__}.{name}" for name in offered if not hasattr(module, name)]
    return wrong


def import_graph(name_of=lambda module: module):
    """Which of the package's modules import which, for typing too; or groups of them, by a name.

    The root is left out: it imports nothing before a name is asked for, and then everything.
    """
    paths = {module_name(path): path for path in modules(".") if path.parent != PACKAGE}
    paths.update({module_name(path): path for path in PACKAGE.glob("*.py")})
    del paths["dai_spark"]
    graph = {}
    for module, path in paths.items():
        found = graph.setdefault(name_of(module), set())
        for _, name in imported(path):
            # The name of a module, or of something in one.
            target = name if name in paths else name.rpartition(".")[0]
            if target in paths and name_of(target) != name_of(module):
                found.add(name_of(target))
    return graph


def circles(graph):
    """Groups of nodes that reach each other, each as a sorted list."""

    def reached(start):
        seen, waiting = set(), [start]
        while waiting:
            for node in graph[waiting.pop()] - seen:
                seen.add(node)
                waiting.append(node)
        return seen

    below = {node: reached(node) for node in graph}
    found = {
        tuple(sorted(other for other in below[node] if node in below[other]))
        for node in graph
        if node in below[node]
    }
    return sorted(map(list, found))
