"""The code in README.md and docs/: read by Sybil, checked as it stands, or run."""

import ast
import json
import re
import shlex
import subprocess
import sys
from itertools import dropwhile
from pathlib import Path
from unittest import SkipTest

from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser, SkipParser
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "conda" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# What a page's prose takes for granted: your session and tables, and the function made above.
GIVEN = ("F", "df", "env", "pdf", "score", "spark")
# A block's imports stand where its reader needs them and tell where a name is from, used or not;
# an expression shows what it is.
RULES = ["--select=E,F,W,B,PIE,UP,RET,SIM", "--ignore=E402,B018", "--line-length=100"]

_FENCE = RawFencedCodeBlockLexer(re.compile(r"(?P<language>[^\n]*)$\n", re.MULTILINE))


def blocks(path, evaluate):
    """Return Sybil's document of a page: its Python blocks, and what says to skip one and why."""
    return Document.parse(str(path), SkipParser(), CodeBlockParser("python", evaluate))


def is_code(example):
    """Whether an example of Sybil's is a block, not an instruction to skip one."""
    return isinstance(example.parsed, str)


def lint(path):
    """Return ruff's findings in a page's Python blocks, in those that are not run as well."""
    lines = []
    for example in blocks(path, None).examples():
        if is_code(example):
            # Findings name the page's own lines.
            lines += [""] * (example.line + example.parsed.line_offset - len(lines))
            lines += example.parsed.splitlines()
    words = ["--isolated", *RULES, "--output-format=concise", f"--stdin-filename={path.stem}.py"]
    given = f"builtins = {json.dumps(GIVEN)}"
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *words, "--config", given, "-"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    return [] if done.returncode == 0 else (done.stdout + done.stderr).splitlines()


def run(path, evaluate, **given):
    """Evaluate a page's blocks in one namespace; return how many ran, and why others did not."""
    document = blocks(path, evaluate)
    document.namespace.update(given)
    n_run, reasons = 0, []
    for example in document.examples():
        try:
            example.evaluate()
        except SkipTest as skipped:
            reasons.append(str(skipped))
        else:
            n_run += is_code(example)
    return n_run, reasons


def commands(path):
    """Return the command lines of a page's shell blocks, each as its words, without assignments."""
    found = []
    for region in _FENCE(Document(path.read_text(encoding="utf-8"), str(path))):
        if region.lexemes["language"].strip() in ("sh", "console"):
            for line in str(region.lexemes["source"]).replace("\\\n", " ").splitlines():
                words = shlex.split(line.removeprefix("$ "), comments=True)
                command = [*dropwhile(re.compile(r"[A-Za-z_]+=").match, words)]
                if command:
                    found.append(command)
    return found


def untold(path):
    """Return command lines of a page that stand in blocks which do not say that they are shell."""
    found = []
    for region in _FENCE(Document(path.read_text(encoding="utf-8"), str(path))):
        if not region.lexemes["language"].strip():
            found += re.findall(
                r"^(?:\$ )?(?:dai-spark|spark-submit|make|pip) .*",
                str(region.lexemes["source"]),
                flags=re.MULTILINE,
            )
    return found


def spans(path, command):
    """Return what a page's prose and tables have in backquotes and is such a command, as words."""
    text = path.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for span in re.findall(rf"`({command}(?: [^`\n]+)?)`", prose):
        # [--optional PART] and ... are how usage is written.
        yield shlex.split(re.sub(r"\[(-[^\]]*)\]", r"\1", span).replace(" ...", ""))


def messages():
    """Return the texts in the package's sources, with … for what is put into them."""
    found = []
    for source in sorted((ROOT / "dai_spark").rglob("*.py")):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(getattr(part, "value", "…") if isinstance(part, ast.Constant)
                                     else "…" for part in node.values))  # fmt: skip
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found
