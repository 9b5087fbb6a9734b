"""What people do in notebooks: a cell is interrupted, run again, and its session stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cluster.programs import looking
from jupyter_client.manager import start_new_kernel

CONF = Path(looking.__file__).parent / "conf"
CELL_LIMIT_S = 240
# From cancelling until no scorer is left: Spark looks every two seconds whether a task is to end,
# gives it two more, and then ends its Python worker.
GONE_S = 15

BEGIN = """
from pyspark import SparkContext
from pyspark.sql import SparkSession
from dai_spark import score_udf
from dai_spark.errors import OptionError

def begin():
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    return builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "50").getOrCreate()

spark = begin()
flights = spark.read.parquet({flights!r})
words = dict(env={env!r}, license_file={license_file!r})
"""
# Two tasks of a minute each, in batches of a third of a second.
SLOW = """
many = spark.range(20_000, numPartitions=2).crossJoin(flights.limit(1))
slow = many.withColumn("prediction", score_udf({slow!r}, **words)())
"""
RUN_SLOW = 'slow.write.format("noop").mode("overwrite").save()'

# A job of another group in the same session, which ends when it is told to.
OTHER = """
import os, threading, time
context, others, told = spark.sparkContext, [], os.path.abspath("told")

def waits(number):
    while not os.path.exists(told):
        time.sleep(0.1)
    return number

def other():
    context.setJobGroup("other", "other")
    others.append(context.range(0, 7, 1, 1).map(waits).count())

thread = threading.Thread(target=other)
thread.start()
"""
END_OTHER = """
open(told, "w").close()
thread.join(60)
print(others)
"""
OURS = {
    "show_progress": """
from dai_spark import show_progress
with show_progress(spark):
    slow.write.format("noop").mode("overwrite").save()
""",
    "score_table": """
from dai_spark import score_table
many.write.parquet("many")
score_table({slow!r}, source="parquet:many", target="parquet:scores", keep=["id"], **words)
""",
}

SCORE = """
active = SparkSession.getActiveSession()
flights = spark.read.parquet({flights!r})
scored = flights.withColumn("prediction", score_udf({pipeline!r}, **words)())
print(active, scored.where("prediction is not null").count())
"""
REFUSED = """
try:
    score_udf({pipeline!r}, **words)
except OptionError as error:
    print(error, SparkContext._active_spark_context)
"""
N_ROWS = 400


class Notebook:
    """A real kernel, as Jupyter starts it, whose cells are run one by one."""

    def __init__(self, manager, client):
        self.manager = manager
        self._client = client

    def begin(self, code):
        return self._client.execute(code)

    def end(self, cell):
        """Wait for a cell's end and return what it printed, or the name of what it raised."""
        said = []
        while True:
            message = self._client.get_iopub_msg(timeout=CELL_LIMIT_S)
            if message["parent_header"].get("msg_id") != cell:
                continue
            content = message["content"]
            if message["msg_type"] == "stream" and content["name"] == "stdout":
                said.append(content["text"])
            elif message["msg_type"] == "error":
                said.append(f"{content['ename']}: {content['evalue']}")
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                return "".join(said)

    def run(self, code):
        return self.end(self.begin(code))


@pytest.fixture(scope="module")
def files(export, flights, packed_environment, license_file, tmp_path_factory):
    """What the cells name."""
    folder = tmp_path_factory.mktemp("flights")
    flights.head(N_ROWS).to_parquet(folder / "flights.parquet")
    return {
        "pipeline": str(export()),
        "slow": str(export(score_seconds=0.3)),
        "env": str(packed_environment.path),
        "license_file": str(license_file),
        "flights": str(folder / "flights.parquet"),
    }


@pytest.fixture
def notebook(tmp_path):
    """A kernel whose sidecars lie below a folder of the test's own."""
    environment = {**os.environ, "SPARK_LOCAL_DIRS": str(tmp_path), "SPARK_CONF_DIR": str(CONF)}
    manager, client = start_new_kernel(env=environment, cwd=str(tmp_path))
    yield Notebook(manager, client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def scorers(folder):
    """Processes of scorers, without the sidecars that forked them."""
    return {pid for pid, (is_sidecar, _) in looking.sidecars(folder).items() if not is_sidecar}


def is_in_second_batch(folder):
    """Whether a task, and not the probe, is at work: by the sidecars' logs."""
    return any("scores rows 50-99 " in path.read_text() for path in folder.rglob("*sidecar-*.log"))


@pytest.mark.timeout(600)
def test_the_cell_after_an_interrupt_scores(notebook, files, tmp_path):
    """The open session is taken, though Spark says that none is active; a stopped one is not."""
    assert notebook.run(BEGIN.format(**files)) == ""
    assert notebook.run(SLOW.format(**files)) == ""
    cell = notebook.begin(RUN_SLOW)
    assert looking.wait_until(lambda: is_in_second_batch(tmp_path), CELL_LIMIT_S)
    notebook.manager.interrupt_kernel()
    assert notebook.end(cell).startswith("KeyboardInterrupt")
    # Jupyter puts its own handler of interrupts in the place of Spark's, so the job goes on.
    assert scorers(tmp_path)
    assert notebook.run("spark.sparkContext.cancelAllJobs()") == ""
    assert looking.wait_until(lambda: not scorers(tmp_path), GONE_S) is not None
    # What Spark itself says is told with the count: it has no active session from now on.
    for _ in range(2):
        assert notebook.run(SCORE.format(**files)) == f"None {N_ROWS}\n"

    for how in ("spark.stop()", "spark.sparkContext.stop()"):
        notebook.run(how)
        said = notebook.run(REFUSED.format(**files))
        assert said.startswith("No SparkSession is open")
        assert said.endswith("None\n"), "a session was made, or what is stopped was taken"
        notebook.run("spark = begin()")
        assert notebook.run(SCORE.format(**files)).endswith(f" {N_ROWS}\n")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", list(OURS))
def test_an_interrupt_ends_the_jobs_that_dai_spark_began(notebook, files, tmp_path, way):
    """Scorers end without a further word; a job of another group goes on; the next cell scores."""
    assert notebook.run(BEGIN.format(**files).replace("local[2]", "local[3]")) == ""
    assert notebook.run(SLOW.format(**files)) == ""
    assert notebook.run(OTHER) == ""
    cell = notebook.begin(OURS[way].format(**files))
    assert looking.wait_until(lambda: is_in_second_batch(tmp_path), CELL_LIMIT_S)
    notebook.manager.interrupt_kernel()
    assert notebook.end(cell).endswith("KeyboardInterrupt: ")
    assert looking.wait_until(lambda: not scorers(tmp_path), GONE_S) is not None
    assert notebook.run(END_OTHER) == "[7]\n"
    assert notebook.run(SCORE.format(**files)) == f"None {N_ROWS}\n"


# In a terminal the handler of interrupts is Spark's own.
SCRIPT = """
import threading
try:
    {call}
except KeyboardInterrupt:
    print("interrupted")
print(signal.getsignal(signal.SIGINT).__module__)
score = score_udf({pipeline!r}, **words)
scored = spark.read.parquet({flights!r}).withColumn("prediction", score())
print(scored.where("prediction is not null").count())
"""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_an_interrupt_of_a_script_is_one(files, tmp_path):
    """Not what becomes of Spark's handler, which calls the JVM in the midst of another call."""
    call = OURS["score_table"].format(**files).strip().replace("\n", "\n    ")
    parts = ("import signal\n", BEGIN, SLOW, SCRIPT.replace("{call}", call))
    program = tmp_path / "program.py"
    program.write_text("".join(part.format(**files) for part in parts))
    log = tmp_path / "log"
    with (
        log.open("w") as said,
        subprocess.Popen(
            [sys.executable, str(program)],
            env={
                **os.environ,
                "SPARK_LOCAL_DIRS": str(tmp_path),
                "SPARK_CONF_DIR": str(CONF),
                "PYSPARK_PYTHON": sys.executable,
            },
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as running,
    ):
        assert looking.wait_until(lambda: is_in_second_batch(tmp_path), CELL_LIMIT_S)
        os.kill(running.pid, signal.SIGINT)
        answer, _ = running.communicate(timeout=CELL_LIMIT_S)
    own = "pyspark.core.context" if "interrupted" in answer else log.read_text()[-3000:]
    assert answer.splitlines() == ["interrupted", own, str(N_ROWS)]
