"""ProgressLine: what is seen of a running job, as one line for a terminal or for a log."""

from collections import deque
from dataclasses import dataclass
from typing import Deque, List, Optional, Tuple

__all__ = ["Moment", "ProgressLine", "duration"]

_BAR_WIDTH = 24
# A narrow terminal has its room for the figures.
_NARROW = 100
# Executors tell rows every ten seconds, so a rate over less would jump.
_WINDOW_S = 60.0
# Ended tasks from which on their pace says something, and how long they must have taken.
_PACE_TASKS = 3
_PACE_S = 5.0


@dataclass(frozen=True)
class Moment:
    """What is known of the running jobs at one moment; None is what cannot be known.

    Attributes
    ----------
    phase : str
        ``"scoring"``, or what is done before or after it.
    n_done, n_tasks, n_active, n_failed : int
        Tasks of the stages that run; failed ones are tried again.
    n_rows : int, optional
        Scored since the beginning, by all jobs.
    n_executors, n_scoring, n_loading : int, optional
        Executors that run tasks; of these, those that have answered rows, and those that have had
        the time to and have not.
    n_bytes_read : int, optional
        Told instead of rows over Spark Connect.
    """

    phase: str
    n_done: int
    n_tasks: int
    n_active: int = 0
    n_failed: int = 0
    n_rows: Optional[int] = None
    n_executors: Optional[int] = None
    n_scoring: int = 0
    n_loading: int = 0
    n_bytes_read: Optional[int] = None


class ProgressLine:
    """The line of one job, from moment to moment.  Pure: it is given the time, in seconds.

    Parameters
    ----------
    begun_s : float
        When the job began.
    """

    def __init__(self, begun_s: float) -> None:
        self._begun_s = begun_s
        self._now_s = begun_s
        self._moment: Optional[Moment] = None
        self._rows: Deque[Tuple[float, int]] = deque()
        # The first and the last moment at which a task of these stages ended.
        self._first: Optional[Tuple[float, int]] = None
        self._last: Optional[Tuple[float, int]] = None

    def see(self, moment: Moment, now_s: float) -> None:
        """Take the next moment."""
        before = self._moment
        self._now_s = now_s
        if (
            before is None
            or (before.phase, before.n_tasks) != (moment.phase, moment.n_tasks)
            or moment.n_done < before.n_done
        ):
            self._first = self._last = None
        if moment.n_done and (self._last is None or moment.n_done > self._last[1]):
            self._last = (now_s, moment.n_done)
            self._first = self._first or self._last
        if moment.n_rows and (not self._rows or moment.n_rows > self._rows[-1][1]):
            self._rows.append((now_s, moment.n_rows))
        # The newest stays, so that the next one has something to be measured against.
        while len(self._rows) > 1 and self._rows[0][0] < now_s - _WINDOW_S:
            self._rows.popleft()
        self._moment = moment

    def finish(self, n_rows: Optional[int], now_s: float) -> None:
        """The job has ended well: all tasks are done, and the rate is that of the whole."""
        last = self._moment
        if last is None:
            return
        n_rows = last.n_rows if n_rows is None else n_rows
        self._now_s = now_s
        self._first = self._last = None
        self._moment = Moment(
            last.phase, last.n_tasks, last.n_tasks, n_rows=n_rows, n_bytes_read=last.n_bytes_read
        )
        self._rows = deque([(self._begun_s, 0), (now_s, n_rows or 0)])

    @property
    def rows_per_s(self) -> Optional[float]:
        """Rows a second over the last minute; None until rows were told of twice."""
        if len(self._rows) < 2:
            return None
        (from_s, n_before), (to_s, n_now) = self._rows[0], self._rows[-1]
        return (n_now - n_before) / (to_s - from_s) if to_s > from_s else None

    @property
    def left_s(self) -> Optional[float]:
        """Seconds that are left of these stages, by the pace at which their tasks end.

        None until a whole wave of tasks has ended after the first one: tasks that start together
        end together, so any fewer would tell of a pace that there is not.
        """
        moment = self._moment
        if moment is None or self._first is None or self._last is None:
            return None
        n_ended, took_s = self._last[1] - self._first[1], self._last[0] - self._first[0]
        if n_ended < max(_PACE_TASKS, moment.n_active) or took_s < _PACE_S:
            return None
        left_s = (moment.n_tasks - self._last[1]) * took_s / n_ended
        left_s -= self._now_s - self._last[0]
        return left_s if left_s > 0 and moment.n_done < moment.n_tasks else None

    def text(self) -> str:
        """The line of a log; empty while nothing has been seen."""
        moment = self._moment
        if moment is None:
            return ""
        share = 100 * moment.n_done // max(moment.n_tasks, 1)
        return f"{moment.phase} {share}%: {', '.join([self._tasks(moment), *self._parts(moment)])}"

    def bar(self, width: int) -> str:
        """The line of a terminal, at most so many characters; what matters least goes first."""
        moment = self._moment
        if moment is None:
            return ""
        room = _BAR_WIDTH if width >= _NARROW else _BAR_WIDTH // 2
        filled = room * moment.n_done // max(moment.n_tasks, 1)
        line = f"{moment.phase} [{'#' * filled}{'-' * (room - filled)}] {self._tasks(moment)}"
        for part in self._parts(moment):
            if len(line) + 2 + len(part) > width:
                break
            line += f"  {part}"
        return line[:width]

    @staticmethod
    def _tasks(moment: Moment) -> str:
        return f"{moment.n_done}/{moment.n_tasks} tasks"

    def _parts(self, moment: Moment) -> List[str]:
        parts = [duration(self._now_s - self._begun_s)]
        if moment.n_rows:
            parts.append(f"{moment.n_rows:,} rows")
            if self.rows_per_s is not None:
                parts.append(f"{self.rows_per_s:,.0f} rows/s")
        elif moment.n_bytes_read:
            parts.append(f"{moment.n_bytes_read / 1e6:,.1f} MB read")
        if self.left_s is not None:
            parts.append(f"about {duration(self.left_s)} left")
        if moment.n_failed:
            parts.append(f"{moment.n_failed} failed and tried again")
        if moment.n_executors:
            parts.append(_executors(moment))
        return parts


def _executors(moment: Moment) -> str:
    text = "1 executor" if moment.n_executors == 1 else f"{moment.n_executors} executors"
    told = [
        f"{n} {what}"
        for n, what in ((moment.n_scoring, "scoring"), (moment.n_loading, "loading"))
        if n
    ]
    return f"{text} ({', '.join(told)})" if told else text


def duration(seconds: float) -> str:
    """Seconds as people say them: ``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(max(seconds, 0.0))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
