"""README.md and docs/: what a reader is told to type is what the programs take."""

import argparse
import re
import sys

import pytest

from dai_spark.cli.main import _parser

if sys.version_info < (3, 10):
    pytest.skip("Sybil and Sphinx have left Python 3.9.", allow_module_level=True)

import pages

of_pages = pytest.mark.parametrize("page", pages.PAGES, ids=lambda path: path.stem)


def fault(words):
    """Parse a command line by the real parser; return why it cannot be meant, or None."""

    def refuse(parser, message):
        raise ValueError(message)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "error", refuse)
        try:
            _parser().parse_args(words)
        except ValueError as error:
            return str(error)
        except SystemExit:  # --help and --version
            return None
    return None


@of_pages
def test_python_blocks_name_nothing_unknown(page):
    """Ruff finds no syntax error, no name from nowhere and nothing that it calls a likely bug."""
    assert pages.lint(page) == []


@of_pages
def test_commands_are_taken_by_the_real_parser(page):
    """Each dai-spark and each table job of a shell block, with all its flags."""
    assert pages.untold(page) == [], "give the block the language sh"
    for words in pages.commands(page):
        for at, word in enumerate(words):
            if word == "dai-spark":
                assert fault(words[at + 1 :]) is None, words
            elif word.endswith("jobs/score_table.py"):
                assert fault(["score-table", *words[at + 1 :]]) is None, words


@of_pages
def test_commands_in_the_text_are_known(page):
    """A command in a sentence may be cut short; what it says of itself exists."""
    for _, *words in pages.spans(page, "dai-spark"):
        found = fault(words)
        assert found is None or "required" in found, (words, found)


@of_pages
def test_make_knows_its_targets(page):
    """Each `make X` of a page is a target of the Makefile."""
    makefile = (pages.ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+)[a-z0-9 -]*:", makefile, flags=re.MULTILINE))
    lines = [words for words in pages.commands(page) if words[0] == "make"]
    for _, *words in [*lines, *pages.spans(page, "make")]:
        assert {word for word in words if "=" not in word} <= targets, words


def test_a_wrong_page_is_found(tmp_path):
    """An unknown flag, a name from nowhere, a missing target's neighbour: each is seen."""
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nscor(df)\n```\n```sh\ndai-spark env show --al x\n```\n```\nmake x\n```"
    )
    assert any("F821" in line and line.startswith("page.py:2:") for line in pages.lint(page))
    (words,) = pages.commands(page)
    assert "unrecognized arguments: --al" in fault(words[1:])
    assert pages.untold(page) == ["make x"]


def test_failures_that_the_pages_explain_are_those_of_the_package():
    """Each row of a table whose first column is "it says" is one, word by word."""
    sources = pages.messages()
    n_messages = 0
    for page in pages.PAGES:
        text = page.read_text(encoding="utf-8")
        for table in re.findall(
            r"^\| it says \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, flags=re.MULTILINE
        ):
            for row in table.splitlines():
                said = row.split("|")[1].strip()
                parts = [part.strip(" `") for part in said.split("…") if part.strip(" `")]
                pattern = ".*".join(map(re.escape, parts))
                assert any(re.search(pattern, one, flags=re.DOTALL) for one in sources), said
                n_messages += 1
    assert n_messages >= 8
