"""What all benchmark programs have in common: arguments, a time limit, turns, one JSON file."""

import argparse
import json
import math
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from machine import describe_machine

RESULTS = Path(__file__).resolve().parent / "results"


class Program:
    """One benchmark: its command line, and the file that its figures go to.

    Parameters
    ----------
    file : str
        The program's own; the result is named after it.
    text : str
        Its docstring, whose first line heads the help.
    rows, repeat : int
        Defaults of the two arguments that make every program small.
    rows_help : str
        What `--rows` counts here.
    """

    def __init__(
        self, file: str, text: str, *, rows: int, repeat: int, rows_help: str = "rows of the table"
    ) -> None:
        self.name = Path(file).stem
        self.parser = argparse.ArgumentParser(description=text.partition("\n")[0])
        self.parser.add_argument(
            "--rows", type=int, default=rows, help=f"{rows_help} (default {rows})"
        )
        self.parser.add_argument(
            "--repeat", type=int, default=repeat, help=f"runs of each way (default {repeat})"
        )
        self.parser.add_argument(
            "--limit-s", type=int, default=7200, help="end after so many seconds (default 7200)"
        )
        self.parser.add_argument(
            "--results", type=Path, default=RESULTS, help="folder of the JSON file"
        )

    def run(self, measure: Callable[[argparse.Namespace], Mapping[str, Any]]) -> None:
        """Parse the command line, measure within the limit, and write what was found."""
        arguments = self.parser.parse_args()
        begun = time.monotonic()
        with limited(arguments.limit_s):
            figures = measure(arguments)
        settings = {
            name: value
            for name, value in vars(arguments).items()
            if name not in ("results", "limit_s")
        }
        result = {
            "benchmark": self.name,
            "command": self._command(settings),
            "settings": settings,
            "machine": describe_machine(),
            "took_s": round(time.monotonic() - begun, 1),
            "figures": rounded(figures),
        }
        arguments.results.mkdir(parents=True, exist_ok=True)
        path = arguments.results / f"{self.name}.json"
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        tell(f"{path.name} is written; `python benchmarks/page.py` shows it")

    def _command(self, settings: Mapping[str, Any]) -> str:
        words = [f"python benchmarks/{self.name}.py"]
        for name, value in settings.items():
            if value != self.parser.get_default(name):
                shown = " ".join(map(str, value)) if isinstance(value, list) else str(value)
                words.append(f"--{name.replace('_', '-')} {shown}")
        return " ".join(words)


@contextmanager
def limited(limit_s: int) -> Iterator[None]:
    """End the program where the block takes longer; what it started ends with it."""

    def end(number: int, frame: object) -> None:
        sys.exit(f"The benchmark took longer than {limit_s} s; raise --limit-s or make it smaller.")

    previous = signal.signal(signal.SIGALRM, end)
    signal.alarm(limit_s)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def in_turn(
    ways: Mapping[str, Callable[[], float]], repeat: int, what: str
) -> dict[str, list[float]]:
    """Run all ways `repeat` times, in turn, beginning with another one each time.

    In turn, so that what changes on the machine meanwhile meets all of them alike.

    Returns
    -------
    dict
        The seconds that each run of each way said it took.
    """
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    names = list(ways)
    for number in range(repeat):
        start = number % len(names)
        for way in [*names[start:], *names[:start]]:
            seconds[way].append(ways[way]())
        said = "".join(f"  {way} {taken[-1]:.2f} s" for way, taken in seconds.items())
        tell(f"{what}, run {number + 1} of {repeat}:{said}")
    return seconds


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """Median of each way's runs."""
    return {way: statistics.median(taken) for way, taken in seconds.items()}


def took(action: Callable[[], Any]) -> float:
    """Seconds that an action takes."""
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def rounded(value: Any) -> Any:
    """The same figures with four significant digits, which is more than they mean."""
    if isinstance(value, float):
        if value == 0 or not math.isfinite(value):
            return value
        return round(value, max(0, 3 - math.floor(math.log10(abs(value)))))
    if isinstance(value, Mapping):
        return {str(name): rounded(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(inner) for inner in value]
    return value


def tell(text: str) -> None:
    """Tell what is being done."""
    print(text, file=sys.stderr, flush=True)
