"""Which module imports which, read from the source of the package."""

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dai_spark"


def modules(*folders):
    """Every module below the given folders of the package, as paths."""
    return sorted(path for folder in folders for path in (PACKAGE / folder).rglob("*.py"))


@functools.cache
def imported(path):
    """List (line, absolute dotted name) of everything that a module imports."""
    found = []
    package = ("dai_spark", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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
