"""A pipeline's noise: it prints where it likes, so its output is no channel for anything else."""

import contextlib
import os
import sys


def say(line: str) -> None:
    """Write one line to stdout at once."""
    sys.stdout.write("stand-in: %s\n" % line)
    sys.stdout.flush()


def chatter(n_lines: int) -> None:
    """Write to stdout and stderr in turn, and past both to descriptor 1, as while loading."""
    for i in range(n_lines):
        stream = (sys.stdout, sys.stderr)[i % 2]
        stream.write("stand-in: loading, line %d of %d of no interest\n" % (i + 1, n_lines))
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.suppress(OSError):  # The caller may have closed it, as a daemon does.
        os.write(1, b"stand-in: written straight to descriptor 1\n")
