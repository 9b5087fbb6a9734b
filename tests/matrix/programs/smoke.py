"""What the smoke programs share: ways of scoring, one after the other, each compared by bits."""

import json
import platform
import struct
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

TOLD = ("dai_spark", "pyspark", "pandas", "pyarrow", "numpy")


class Smoke:
    """Compares scores with the right ones, and notes what came of each way.

    Parameters
    ----------
    arguments : dict
        Of the program: `right`, and `out`, where the findings go.
    """

    def __init__(self, arguments):
        right = json.loads(Path(arguments["right"]).read_text(encoding="utf-8"))
        self.columns = right["columns"]
        self.keys = [key for key, _ in right["scores"]]
        self._right = sorted((key, _bits(values)) for key, values in right["scores"])
        self._out = Path(arguments["out"])
        self._ways = {}
        self._seconds = {}

    def note(self, name, begun):
        """Note how long a part took that began at `begun`, by the monotonic clock."""
        self._seconds[name] = round(time.monotonic() - begun, 1)

    def way(self, name, score):
        """Score in one way; `score` gives (flight_id, values) for each row."""
        begun = time.monotonic()
        try:
            found = sorted((key, _bits(values)) for key, values in score())
        except Exception as error:  # noqa: BLE001 - told in the findings
            self._ways[name] = f"{type(error).__name__}: {str(error).strip()[:2000]}"
        else:
            n_same = len(set(found) & set(self._right))
            is_right = found == self._right
            told = f"{len(found)} rows, {n_same} of {len(self._right)} right"
            self._ways[name] = "right" if is_right else told
        self.note(name, begun)
        print(name, self._seconds[name], "s", self._ways[name], flush=True)

    def end(self):
        """Write the findings."""
        versions = {"python": platform.python_version()}
        for name in TOLD:
            try:
                versions[name] = version(name)
            except PackageNotFoundError:
                continue
        told = {"versions": versions, "ways": self._ways, "parts": self._seconds}
        self._out.write_text(json.dumps(told), encoding="utf-8")


def _bits(values):
    return b"".join(struct.pack("<d", value) for value in values)


def arguments():
    """What the program was told: JSON, on its command line."""
    return json.loads(sys.argv[1])
