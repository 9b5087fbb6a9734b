"""The progress line over real jobs: on a terminal, in a log, quiet, and never in the job's way."""

import contextlib
import fcntl
import logging
import os
import pty
import re
import struct
import sys
import termios
import threading
import time

import pytest
from pyspark.sql import functions as F

from dai_spark import score_dataframe, score_udf, show_progress
from dai_spark.driver.progress.job_status import JobStatus
from dai_spark.driver.progress.messages import log_message
from dai_spark.driver.progress.terminal import tell

COLUMNS = 80


class Terminal:
    """Standard error as a terminal of 80 columns, within a ``with`` block."""

    def __enter__(self):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self._received = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._before, sys.stderr = sys.stderr, os.fdopen(slave, "w")
        return self

    def _read(self):
        # Reading fails when the other end is closed.
        with contextlib.suppress(OSError):
            while True:
                self._received.append(os.read(self._master, 4096))

    def __exit__(self, *_):
        stream, sys.stderr = sys.stderr, self._before
        stream.close()
        self._reader.join(5)
        os.close(self._master)

    @property
    def sent(self):
        """What it was sent, after the block."""
        return b"".join(self._received).decode("utf-8")


@pytest.fixture(scope="module")
def slow_frame(flights_frame, export, with_scorer):
    """A frame that takes seconds to score, in four tasks of which two run at once."""
    slow = export(score_seconds=0.3)
    four = flights_frame.repartition(4)
    return score_dataframe(
        four, slow, **with_scorer, keep=["flight_id"], batch_rows=1000, on_message=log_message
    )


def save(frame):
    frame.write.format("noop").mode("overwrite").save()


def test_a_terminal_shows_one_line_that_fills(spark, slow_frame, flights):
    """Drawn over by carriage returns, narrower than the terminal, full and counted at the end."""
    with Terminal() as terminal, show_progress(spark, every_s=0.2):
        save(slow_frame)
    sent = terminal.sent
    assert set(re.findall(r"[^ -~]", sent)) == {"\r", "\n"}
    body, end, rest = sent.partition("\r\n")
    assert (end, rest) == ("\r\n", "")
    lines = body.split("\r")[1:]
    assert max(map(len, lines)) < COLUMNS
    filled = [line.count("#") for line in lines if line.startswith("scoring ")]
    assert filled == sorted(filled)
    assert filled[0] < 12
    assert filled[-1] == 12
    assert "4/4 tasks" in lines[-1]
    assert f"{len(flights):,} rows  " in lines[-1]
    assert len(filled) > 5


def test_a_log_gets_plain_lines_now_and_then(spark, slow_frame, flights, capsys):
    """Where standard error is no terminal: whole lines, no control characters, and few."""
    with show_progress(spark, every_s=0.1, line_every_s=1.0, on_message=tell):
        save(slow_frame)
    said = capsys.readouterr().err
    assert set(re.findall(r"[^ -~]", said)) == {"\n"}
    lines = said.splitlines()
    assert all(re.match("dai_spark: (before )?scoring ", line) for line in lines)
    assert 2 <= len(lines) < 15
    assert "scoring 100%: 4/4 tasks" in lines[-1]
    assert f"{len(flights):,} rows" in lines[-1]


@pytest.mark.parametrize("words", [{"quiet": True}, {}])
def test_quiet_and_short_jobs_say_nothing(spark, slow_frame, capsys, words):
    """With quiet nothing at all, and a log is not told of what takes less than half a minute."""
    with show_progress(spark, **words):
        save(slow_frame)
    assert capsys.readouterr().err == ""


def test_quiet_draws_nothing_on_a_terminal(spark, slow_frame):
    """Not even an empty line."""
    with Terminal() as terminal, show_progress(spark, quiet=True):
        save(slow_frame)
    assert terminal.sent == ""


def test_a_job_that_fails_ends_the_line_and_keeps_its_error(spark):
    """The user sees how far it came, then the error on a line of its own."""
    broken = spark.range(0, 10, 1, 4).select(
        F.when(F.col("id") < 9, F.col("id")).otherwise(F.raise_error(F.lit("broken")))
    )
    slow = broken.select(F.udf(lambda value: time.sleep(0.2) or value, "long")(broken.columns[0]))
    terminal = Terminal()
    with pytest.raises(Exception, match="broken"), terminal, show_progress(spark, every_s=0.1):
        save(slow)
    assert terminal.sent.endswith("\r\n")
    assert "4/4 tasks" not in terminal.sent


def test_a_display_that_fails_ends_and_the_job_goes_on(spark, slow_frame, monkeypatch, caplog):
    """Whatever Spark's internals raise goes to the debug log alone."""

    def fail(status):
        raise RuntimeError("no such method")

    monkeypatch.setattr(JobStatus, "look", fail)
    debug = caplog.at_level(logging.DEBUG, "dai_spark")
    with debug, Terminal() as terminal, show_progress(spark, every_s=0.1):
        save(slow_frame)
    assert terminal.sent == ""
    (told,) = [one for one in caplog.records if "progress line" in one.message]
    assert told.levelno == logging.DEBUG
    assert "no such method" in str(told.exc_info)


@pytest.mark.parametrize("way", ["map", "udf", "another name"])
def test_rows_are_those_that_the_scorer_answered(
    spark, flights_frame, flights, export, with_scorer, way
):
    """Counted once each, also where a user's own function is in the plan and rows are filtered."""
    doubled = F.udf(lambda value: value * 2, "double")
    frame = flights_frame.withColumn("distance", F.col("distance").cast("double"))
    if way != "another name":
        # Its rows are not the scorer's.
        frame = frame.withColumn("twice", doubled("distance")).filter("twice >= 0")
    frame = frame.localCheckpoint() if way == "another name" else frame
    status = JobStatus(spark)
    if way == "map":
        scored = score_dataframe(frame, export(), **with_scorer, keep=["flight_id"])
    elif way == "udf":
        scored = frame.withColumn("prediction", score_udf(export(), **with_scorer)())
    else:
        spark.udf.register("risk", score_udf(export(), **with_scorer))
        frame.createOrReplaceTempView("progress_flights")
        scored = spark.sql("SELECT risk(struct(*)) AS prediction FROM progress_flights")
    save(scored.filter("prediction.`late.yes` > 0.5"))
    n_rows = eventually(status.rows, len(flights))
    assert n_rows == len(flights)


def eventually(ask, wanted, timeout_s=10):
    """The answer, asked again until it is the wanted one: Spark's stores lag behind its jobs."""
    begun = time.monotonic()
    while ask() != wanted and time.monotonic() - begun < timeout_s:
        time.sleep(0.1)
    return ask()


def test_stages_before_and_after_are_told_apart(spark, slow_frame, flights_frame):
    """The bar is of the tasks that score, and what waits for them has a name of its own."""
    status = JobStatus(spark)
    seen = []
    done = threading.Event()

    def watch():
        while not done.wait(0.05):
            moment = status.look()
            if moment is not None:
                seen.append((moment.phase, moment.n_tasks))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        save(slow_frame.repartition(3).sortWithinPartitions("flight_id"))
        save(slow_frame.groupBy((F.col("flight_id") % 3).alias("k")).count().repartition(7))
    finally:
        done.set()
        thread.join()
    assert {n_tasks for phase, n_tasks in seen if phase == "scoring"} == {4}
    assert seen.index(("scoring", 4)) < len(seen) - 1


def test_jobs_of_others_that_ran_before_are_left_out(spark, slow_frame):
    """Neither the stage that was running when the line began nor those that follow it are in it."""
    thread = threading.Thread(target=save, args=(slow_frame,))
    thread.start()
    seen = []
    tracker = spark.sparkContext.statusTracker()
    try:
        eventually(lambda: bool(tracker.getActiveStageIds()), True)
        status = JobStatus(spark)
        n_active = 0
        while thread.is_alive():
            n_active += bool(tracker.getActiveStageIds())
            seen.append(status.look())
            time.sleep(0.1)
    finally:
        thread.join()
    assert n_active > 5
    assert set(seen) == {None}
    assert status.rows() is None


def test_looking_costs_the_driver_little(spark, slow_frame):
    """A look takes some milliseconds, so twice a second is nothing."""
    thread = threading.Thread(target=save, args=(slow_frame,))
    status = JobStatus(spark)
    thread.start()
    looks = []
    try:
        while thread.is_alive():
            begun = time.perf_counter()
            status.look()
            looks.append(time.perf_counter() - begun)
            time.sleep(0.1)
    finally:
        thread.join()
    assert sorted(looks)[len(looks) // 2] < 0.25
