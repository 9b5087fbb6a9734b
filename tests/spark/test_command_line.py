"""The command line with a session: a configuration that Spark reads, and flags over it."""

import io
import json
import logging
import os
import pty
import subprocess
import sys

import pyspark
import pytest

from dai_spark.cli import main
from dai_spark.driver.session import begin

# Longer than the half second after which Spark would draw its bar.
SLOW_JOB = """
import time
from dai_spark.driver.session import begin

def slowly(batches):
    time.sleep(2)
    yield from batches

spark = begin("slow")
print(spark.range(2).mapInArrow(slowly, "id long").count(), "rows")
"""


@pytest.fixture
def config(export, with_scorer, flights_frame, tmp_path):
    """A configuration of a job from the flights to a fresh Parquet path, as a URI."""
    flights_frame.write.parquet(str(tmp_path / "source"))
    path = tmp_path / "job.toml"
    path.write_text(
        f'''
        pipeline = "{export()}"
        env = "{with_scorer["env"].path}"
        license-file = "{with_scorer["license_file"]}"
        source = "parquet:{tmp_path}/source"
        target = "parquet:${{FOLDER}}/target"
        keep = ["flight_id", "carrier"]
        json = true
        '''
    )
    return path.as_uri()


def test_a_configuration_is_read_by_spark_and_flags_win(
    spark, config, tmp_path, monkeypatch, capsys
):
    """What the file says is done, but for the flag; the report is JSON because the file says so."""
    monkeypatch.setenv("FOLDER", str(tmp_path))
    assert main(["score-table", "--config", config, "--keep", "flight_id"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["target"] == f"parquet:{tmp_path}/target"
    written = spark.read.parquet(str(tmp_path / "target"))
    assert "flight_id" in written.columns
    assert "carrier" not in written.columns


def test_a_configuration_that_cannot_be_meant_is_wrong_usage(config, tmp_path, capsys, monkeypatch):
    """Status 2 and one sentence, and no table: a variable that is not set, a misspelt key."""
    monkeypatch.delenv("FOLDER", raising=False)
    assert main(["score-table", "--config", config]) == 2
    assert f"dai-spark: {config}: target wants the environment variable FOLDER" in (
        capsys.readouterr().err
    )
    monkeypatch.setenv("FOLDER", str(tmp_path))
    path = tmp_path / "job.toml"
    path.write_text(path.read_text().replace("keep", "keeps"))
    assert main(["score-table", "--config", config]) == 2
    assert "there is no option keeps; did you mean keep?" in capsys.readouterr().err
    assert not (tmp_path / "target").exists()


@pytest.mark.skipif(pyspark.__version__ < "4", reason="Spark 3.5 writes no such record")
def test_pyspark_writes_no_stack_beside_the_sentence(spark, config, tmp_path, monkeypatch, capsys):
    """Its record of a failed query is off in a process of ours; the rest is behind --verbose."""
    from pyspark.logger import PySparkLogger

    monkeypatch.setenv("FOLDER", str(tmp_path))
    logger, written = PySparkLogger.getLogger("SQLQueryContextLogger"), io.StringIO()
    monkeypatch.setattr(logger, "disabled", False)
    handler = logging.StreamHandler(written)
    logger.addHandler(handler)
    words = ["score-table", "--config", config, "--column", "carrier=no_such"]
    assert main(words) == 3
    assert written.getvalue() == ""
    told = [line for line in capsys.readouterr().err.splitlines() if "no_such" in line]
    assert len(told) == 1
    assert told[0].startswith("dai-spark: --column carrier=no_such does not fit table")
    logger.removeHandler(handler)


def test_local_workers_get_the_python_of_the_command(spark, monkeypatch):
    """Where nobody has chosen one; Spark's own choice may know nothing of pyarrow."""
    # As a session has it that was made without the variable.
    monkeypatch.setattr(spark.sparkContext, "pythonExec", "/nowhere/python3")
    begin("another")
    assert spark.sparkContext.pythonExec == "/nowhere/python3"
    monkeypatch.delenv("PYSPARK_PYTHON")
    assert begin("another") is spark
    rows = spark.range(1).mapInArrow(lambda batches: batches, "id long").collect()
    assert [row.id for row in rows] == [0]


@pytest.mark.long
def test_on_a_terminal_there_is_one_progress_bar():
    """Spark draws its own for any Python that starts it, over what ours has written."""
    terminal, end = pty.openpty()
    clean = {name: text for name, text in os.environ.items() if "GATEWAY" not in name}
    with subprocess.Popen([sys.executable, "-c", SLOW_JOB], stdout=end, stderr=end, env=clean) as p:
        assert p.wait(120) == 0
    os.close(end)
    told = b""
    try:
        while piece := os.read(terminal, 65536):
            told += piece
    except OSError:
        # All is read, and nobody writes any more.
        pass
    os.close(terminal)
    assert b"2 rows" in told
    assert b"[Stage" not in told
