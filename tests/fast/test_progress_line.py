"""The progress line: what it says, what it leaves out, and that it fits."""

import pytest

from dai_spark.driver.progress.job_status import Answering
from dai_spark.driver.progress.line import Moment, ProgressLine, duration


def line(*moments):
    """The line of a job that began at second 100, after moments at given seconds of the job."""
    made = ProgressLine(100.0)
    for second, words in moments:
        made.see(
            Moment(**{"phase": "scoring", "n_tasks": 40, "n_active": 4, **words}), 100 + second
        )
    return made


def test_the_line_says_all_that_is_known():
    """Share, tasks, time, rows, their rate over the last minute, time left, executors."""
    seen = line(
        (10, {"n_done": 4, "n_rows": 400_000, "n_executors": 2, "n_loading": 2}),
        (20, {"n_done": 8, "n_rows": 900_000, "n_executors": 3, "n_scoring": 2, "n_loading": 1}),
    )
    assert seen.text() == (
        "scoring 20%: 8/40 tasks, 20 s, 900,000 rows, 50,000 rows/s, about 1 min 20 s left, "
        "3 executors (2 scoring, 1 loading)"
    )
    assert seen.bar(200) == (
        "scoring [####--------------------] 8/40 tasks  20 s  900,000 rows  50,000 rows/s  "
        "about 1 min 20 s left  3 executors (2 scoring, 1 loading)"
    )


def test_what_is_not_known_is_left_out():
    """No rows, rate, time or executors before there are any; nothing at all before a stage runs."""
    assert line().text() == line().bar(100) == ""
    seen = line((3, {"n_done": 0}))
    assert seen.text() == "scoring 0%: 0/40 tasks, 3 s"
    told = line((3, {"n_done": 1, "n_bytes_read": 12_345_678}))
    assert told.text() == "scoring 2%: 1/40 tasks, 3 s, 12.3 MB read"
    assert "rows/s" not in line((3, {"n_done": 0, "n_rows": 5000})).text()


@pytest.mark.parametrize("width", [20, 60, 79, 119])
def test_a_terminal_is_never_overflowed(width):
    """The line is cut where the terminal ends, between its parts where it can be."""
    told = {"n_done": 39, "n_rows": 10**9, "n_failed": 7, "n_executors": 800, "n_scoring": 800}
    shown = line((9, {"n_done": 1, "n_rows": 1}), (3600, told)).bar(width)
    assert len(shown) <= width
    assert shown.startswith("scoring [#")


def test_time_left_waits_for_a_whole_wave():
    """Tasks that start together end together: the first of a wave says nothing of the pace."""
    first = (60, {"n_done": 1, "n_active": 4})
    assert line(first, (60.5, {"n_done": 4, "n_active": 4})).left_s is None
    assert line(first, (66, {"n_done": 4, "n_active": 4})).left_s is None
    # Four tasks in a minute, and 35 more to go.
    later = line(first, (120, {"n_done": 5, "n_active": 4}))
    assert later.left_s == pytest.approx(35 * 15)


def test_time_left_counts_down_between_tasks_and_ends():
    """While no task ends it shrinks and does not grow; of stages of other tasks it begins anew."""
    begun = [(10, {"n_done": 4}), (50, {"n_done": 20})]
    assert line(*begun).left_s == pytest.approx(50)
    assert line(*begun, (65, {"n_done": 20})).left_s == pytest.approx(35)
    assert line(*begun, (200, {"n_done": 20})).left_s is None
    assert line(*begun, (51, {"n_done": 20, "n_tasks": 90})).left_s is None
    assert line(*begun, (51, {"n_done": 3})).left_s is None


def test_the_rate_forgets_what_is_a_minute_old():
    """A job that loads for an hour and then scores is told by its pace of now."""
    moments = [(second, {"n_done": 0, "n_rows": second * 100}) for second in range(10, 200, 10)]
    moments += [(second, {"n_done": 0, "n_rows": second * 1000}) for second in range(200, 300, 10)]
    assert line(*moments).rows_per_s == pytest.approx(1000, rel=0.02)


def test_the_last_line_is_of_the_whole():
    """All tasks done, all rows, and the rate from the beginning on."""
    seen = line((10, {"n_done": 4, "n_rows": 100}), (20, {"n_done": 8, "n_rows": 5000}))
    seen.finish(10_000, 125.0)
    assert seen.text() == "scoring 100%: 40/40 tasks, 25 s, 10,000 rows, 400 rows/s"
    nothing = line()
    nothing.finish(None, 125.0)
    assert nothing.text() == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (7500, "2 h 5 min")],
)
def test_durations_are_said_as_people_say_them(seconds, text):
    """Seconds, minutes and hours, two of them at most."""
    assert duration(seconds) == text


def test_an_executor_is_loading_when_it_has_had_the_time_to_answer():
    """Two heartbeats without rows: loading; before them nothing is said."""
    answering = Answering(patience_s=20)
    assert answering.count({"1", "2"}, {}, set(), 0, now_s=0) == (2, 0, 0)
    assert answering.count({"1", "2"}, {}, set(), 0, now_s=19) == (2, 0, 0)
    assert answering.count({"1", "2"}, {}, set(), 0, now_s=20) == (2, 0, 2)


def test_an_executor_that_only_fills_its_buffers_is_not_scoring():
    """Rows read that stand still are those that wait for the scorer; moving ones are scored."""
    answering = Answering(patience_s=20)
    answering.count({"1", "2"}, {"1": 10_000, "2": 10_000}, set(), 0, now_s=0)
    answering.count({"1", "2"}, {"1": 10_000, "2": 10_000}, set(), 0, now_s=10)
    seen = answering.count({"1", "2"}, {"1": 90_000, "2": 10_000}, set(), 40_000, now_s=30)
    assert seen == (2, 1, 1)


def test_an_executor_that_has_ended_a_task_is_scoring():
    """It stays so in later stages, in which its scorer is warm."""
    answering = Answering(patience_s=20)
    assert answering.count({"1", "2"}, {}, {"1"}, None, now_s=0) == (2, 1, 0)
    assert answering.count({"1"}, {}, set(), None, now_s=100) == (1, 1, 0)


def test_what_no_source_counts_is_not_guessed():
    """Where rows are answered and none are counted as read, nobody is called loading."""
    answering = Answering(patience_s=20)
    answering.count({"1", "2"}, {"1": 0}, set(), 0, now_s=0)
    assert answering.count({"1", "2"}, {"1": 0}, set(), 500, now_s=60) == (2, 0, 0)
    assert answering.count({"1"}, {"1": 0}, set(), 900, now_s=70) == (1, 1, 0)
