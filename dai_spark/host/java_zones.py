"""The time zone rules of a JVM, read from the file that it reads: ``lib/tzdb.dat`` of its Java.

Spark shows a timestamp by these.  The system's own rules differ from them for old times: many
builds merge zones that agree since 1970 (Amsterdam is then Brussels), Java's does not.
"""

import io
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np

__all__ = ["JavaZone", "java_zone"]

_S_A_DAY = 86_400
# The Gregorian calendar, weekdays too, repeats after so many years.
_CYCLE_YEARS = 400
_CYCLE_S = 146_097 * _S_A_DAY


@dataclass(frozen=True)
class JavaZone:
    """When a zone's offset from UTC changes, and to what.

    Attributes
    ----------
    transitions_s : numpy.ndarray of int64
        Seconds since 1970, rising.
    offsets_s : numpy.ndarray of int64
        One more: the offset before each of them, and the one after the last.
    repeats : bool
        Whether the last 400 years repeat for ever.
    """

    transitions_s: "np.ndarray[Tuple[int], np.dtype[np.int64]]"
    offsets_s: "np.ndarray[Tuple[int], np.dtype[np.int64]]"
    repeats: bool

    def local_s(
        self, utc_s: "np.ndarray[Tuple[int], np.dtype[np.int64]]"
    ) -> "np.ndarray[Tuple[int], np.dtype[np.int64]]":
        """What a clock of the zone shows at these times, in seconds since its 1970."""
        looked_up = utc_s
        if self.repeats:
            over = np.maximum(utc_s - self.transitions_s[-1] + _CYCLE_S - 1, 0) // _CYCLE_S
            looked_up = utc_s - over * _CYCLE_S
        found = np.searchsorted(self.transitions_s, looked_up, side="right")
        local: np.ndarray[Tuple[int], np.dtype[np.int64]] = utc_s + self.offsets_s[found]
        return local


@lru_cache(maxsize=64)
def java_zone(jvm_pid: int, name: str) -> Optional[JavaZone]:
    """A zone of a running JVM by its name, or None where it has none or its Java is not found."""
    try:
        java = Path(f"/proc/{jvm_pid}/exe").resolve(strict=True)
    except OSError:
        return None
    # bin/java of a runtime; Java 8 has another below jre/.
    for folder in (java.parents[1], java.parents[1] / "jre"):
        rules = _rules_of_file(folder / "lib" / "tzdb.dat")
        if name in rules:
            return _zone(rules[name])
    return None


@lru_cache(maxsize=4)
def _rules_of_file(path: Path) -> Dict[str, bytes]:
    try:
        file = _Reader(path.read_bytes())
    except OSError:
        return {}
    if file.number("b") != 1 or file.text() != "TZDB":
        return {}
    n_versions = file.number("h")
    for _ in range(n_versions):
        file.text()
    names = [file.text() for _ in range(file.number("h"))]
    rules = [file.read(file.number("h")) for _ in range(file.number("h"))]
    # The newest version of the database comes last.
    found: Dict[str, bytes] = {}
    for _ in range(n_versions):
        for _ in range(file.number("h")):
            name = names[file.number("h")]
            found[name] = rules[file.number("h")]
    return found


class _Reader(io.BytesIO):
    """What Java's ``DataInput`` and ``java.time.zone.Ser`` write."""

    def number(self, kind: str) -> int:
        return int(struct.unpack(f">{kind}", self.read(struct.calcsize(f">{kind}")))[0])

    def text(self) -> str:
        return self.read(self.number("H")).decode("utf-8")

    def offset_s(self) -> int:
        quarters = self.number("b")
        return self.number("i") if quarters == 127 else quarters * 900

    def epoch_s(self) -> int:
        high = self.number("B")
        if high == 255:
            return self.number("q")
        return ((high << 16) + self.number("H")) * 900 - 4_575_744_000


class _YearlyRule(NamedTuple):
    month: int
    day: int  # counted from the month's end where it is negative
    weekday: int  # 1 is Monday, 0 any
    time_s: int
    clock: int  # 0 UTC, 1 wall, 2 standard
    standard_s: int
    before_s: int
    after_s: int

    def transition_s(self, year: int) -> int:
        month = np.datetime64(f"{year:04}-{self.month:02}", "M")
        if self.day < 0:
            date = (month + 1).astype("datetime64[D]").astype(int) + self.day
        else:
            date = month.astype("datetime64[D]").astype(int) + self.day - 1
        if self.weekday:
            # 1970-01-01 was a Thursday.
            ahead = (self.weekday - 1 - (date + 3)) % 7
            date += ahead - 7 if self.day < 0 and ahead else ahead
        clock_s = {0: 0, 1: self.before_s, 2: self.standard_s}[self.clock]
        return int(date) * _S_A_DAY + self.time_s - clock_s


def _yearly_rule(file: _Reader) -> _YearlyRule:
    bits = file.number("I")
    hour, standard = (bits >> 14) & 31, (bits >> 4) & 255
    before, after = (bits >> 2) & 3, bits & 3
    time_s = file.number("i") if hour == 31 else hour * 3600
    standard_s = file.number("i") if standard == 255 else (standard - 128) * 900
    before_s = file.number("i") if before == 3 else standard_s + before * 1800
    after_s = file.number("i") if after == 3 else standard_s + after * 1800
    day = ((bits >> 22) & 63) - 32
    return _YearlyRule(
        bits >> 28, day, (bits >> 19) & 7, time_s, (bits >> 12) & 3, standard_s, before_s, after_s
    )


def _zone(rules: bytes) -> JavaZone:
    file = _Reader(rules)
    file.number("b")
    n_standard = file.number("i")
    for _ in range(n_standard):
        file.epoch_s()
    standard = [file.offset_s() for _ in range(n_standard + 1)]
    n_wall = file.number("i")
    transitions: List[int] = [file.epoch_s() for _ in range(n_wall)]
    offsets: List[int] = [file.offset_s() for _ in range(n_wall + 1)]
    yearly = [_yearly_rule(file) for _ in range(file.number("b"))]
    if yearly:
        last_s = transitions[-1] + offsets[-1]
        year = int(np.datetime64(last_s, "s").astype("datetime64[Y]").astype(int)) + 1970
        for each in range(year, year + _CYCLE_YEARS + 2):
            for rule in sorted(yearly, key=lambda rule: rule.transition_s(each)):
                at_s = rule.transition_s(each)
                if at_s > transitions[-1] and rule.after_s != offsets[-1]:
                    transitions.append(at_s)
                    offsets.append(rule.after_s)
    elif not transitions:
        offsets = offsets or standard
    return JavaZone(np.array(transitions, "int64"), np.array(offsets, "int64"), bool(yearly))
