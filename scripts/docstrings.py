"""Holds docstrings to numpydoc's own validation; `make check` runs it.

A docstring of a sentence or two may do without sections, and most of what is private does.  Where
one has a section of parameters, each parameter is in it, in its place.  What is public, which users
call, has such a section for whatever it takes.
"""

import ast
import sys
from pathlib import Path
from typing import Dict, Iterator, Set, Tuple, Union

from numpydoc.docscrape import NumpyDocString
from numpydoc.hooks.validate_docstrings import process_file

ROOT = Path(__file__).resolve().parent.parent
# Parameters left out, unknown, in another order, with a badly written colon; sections in another
# order.  A name and a type may say it all, so a description is not asked for.
CHECKS = {"PR01", "PR02", "PR03", "PR10", "GL07"}
# Modules whose names users call; `__all__` lists them.
PUBLIC = ("__init__.py", "environments.py", "files.py", "testing/__init__.py")
Node = Union[ast.FunctionDef, ast.ClassDef]


def nodes(tree: ast.AST, prefix: str) -> Iterator[Tuple[str, Node]]:
    """Functions and classes of a module by the dotted names that numpydoc gives them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            name = f"{prefix}.{node.name}"
            yield name, node
            yield from nodes(node, name)


def public_names() -> Set[str]:
    """The names that the public modules list."""
    found: Set[str] = set()
    for name in PUBLIC:
        tree = ast.parse((ROOT / "dai_spark" / name).read_text(encoding="utf-8"))
        for node in tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
                found |= set(ast.literal_eval(node.value))
    return found


def is_dataclass(node: Node) -> bool:
    """Whether a class is decorated as a dataclass, so that its fields are what it takes."""
    return any("dataclass" in ast.dump(decorator) for decorator in node.decorator_list)


def fields_left_out(node: Node) -> Set[str]:
    """Fields of a dataclass that its docstring lacks, or the other way round; numpydoc sees none.

    Empty for any other class or function.
    """
    if not is_dataclass(node):
        return set()
    fields = {
        statement.target.id
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
    parsed = NumpyDocString(ast.get_docstring(node) or "")
    told = [*parsed["Parameters"], *parsed["Attributes"]]
    named = {name.strip() for entry in told for name in entry.name.split(",")}
    return {name for name in fields ^ named if not name.startswith("_")} if named else set()


def main() -> int:
    """Print what is wrong, a line each; return the exit status."""
    public, n_checked, n_wrong = public_names(), 0, 0
    for path in sorted((ROOT / "dai_spark").rglob("*.py")):
        if "scoring_package" in path.parts:
            continue
        shown = path.relative_to(ROOT)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        known: Dict[str, Node] = dict(nodes(tree, path.stem))
        config = {"checks": CHECKS, "exclude": set(), "overrides": {}}
        n_checked += len(known)
        for node in known.values():
            for field in sorted(fields_left_out(node)):
                print(f"{shown}:{node.lineno}: {node.name}: {field} is a field, or told, alone")
                n_wrong += 1
        for _, name, check, description in process_file(str(path), config):
            node = known.get(name)
            if node is None or (check == "PR02" and is_dataclass(node)):
                continue
            has_section = "Parameters\n" in (ast.get_docstring(node) or "")
            if check == "PR01" and not has_section and node.name not in public:
                continue
            print(f"{shown}:{node.lineno}: {node.name}: {check} {description}")
            n_wrong += 1
    if not n_checked or not public:
        print("No docstring was looked at.")
        return 1
    print(f"{n_checked} docstrings, {n_wrong} with something wrong.")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
