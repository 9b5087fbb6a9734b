"""The command line's help: one screen for the program, and worth reading for each command."""

import argparse
import json

import pytest

from dai_spark.cli import main
from dai_spark.cli.main import _parser

SCREEN_LINES = 24


def every_command(parser, words=()):
    """Yield the words and the parser of each command, down to those that run something."""
    groups = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    if not groups:
        yield words, parser
    for group in groups:
        for name, below in group.choices.items():
            yield from every_command(below, (*words, name))


def test_the_first_help_is_one_screen(capsys):
    """Of 24 lines; each command stands in it with a line."""
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= SCREEN_LINES
    for name in ("score-table", "pipeline", "env"):
        assert any(line.split()[:1] == [name] for line in lines)


@pytest.mark.parametrize(
    "words", [words for words, _ in every_command(_parser())], ids=lambda words: " ".join(words)
)
def test_each_help_says_more_than_its_options(words):
    """What the command does, and what each option is for."""
    (parser,) = (found for name, found in every_command(_parser()) if name == words)
    said = f"{parser.description} {parser.epilog or ''}"
    assert len(said.split()) >= 25
    silent = [action.dest for action in parser._actions if not action.help]
    assert silent == []


def test_json_is_the_last_line_of_a_run_that_failed(capsys):
    """One object on standard output, whatever happens; the sentence stands on standard error."""
    assert main(["score-table", "--json", "--pipeline", "scorer.zip"]) == 2
    out, err = capsys.readouterr()
    found = json.loads(out.splitlines()[-1])
    assert (found["status"], found["exit_status"]) == ("usage", 2)
    assert err.startswith(f"dai-spark: {found['message']}")


def test_what_a_command_does_not_take_is_told_with_its_own_usage(capsys):
    """A pipeline by place, as other commands take it, where it goes by name."""
    with pytest.raises(SystemExit) as ended:
        main(["score-table", "scorer.zip", "--source", "a", "--target", "b"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: dai-spark score-table --pipeline ZIP")
    assert said.endswith("unrecognized arguments: scorer.zip\n")
