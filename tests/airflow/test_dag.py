"""The DAG of jobs/airflow in a real Airflow: `make test-airflow`, in an environment of its own."""

import datetime
import os
from pathlib import Path

import pytest

from dai_spark.cli.main import _parser

JOBS = Path(__file__).resolve().parent.parent.parent / "jobs"


@pytest.fixture(scope="module")
def dag(tmp_path_factory):
    """The DAG, from the bag that a scheduler would read it into."""
    # Read when Airflow is imported; nothing is to be written into the user's home.
    os.environ["AIRFLOW_HOME"] = str(tmp_path_factory.mktemp("airflow"))
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ["AIRFLOW_CONN_SPARK_DEFAULT"] = "spark://local"
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(JOBS / "airflow"))
    assert bag.import_errors == {}
    assert bag.captured_warnings == {}
    assert list(bag.dags) == ["score_customers"]
    return bag.dags["score_customers"]


def test_airflow_takes_the_dag(dag):
    """One run at a time each night, no old days by accident, somebody is told of each failure."""
    assert dag.max_active_runs == 1
    assert dag.catchup is False
    assert {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks} == {
        "score": ["by_status", "look_at_the_report"],
        "by_status": ["look_at_the_report", "publish"],
        "look_at_the_report": [],
        "publish": [],
    }
    score = dag.get_task("score")
    assert score.retries == 2
    assert datetime.timedelta(0) < score.execution_timeout
    assert Path(score.application).name == "score_table.py"
    for task in dag.tasks:
        (callback,) = task.on_failure_callback
        assert type(callback).__name__ == "SmtpNotifier"


def test_a_night_scores_the_day_that_has_ended(dag):
    """The scheduler's own interval for the run of the 9th at 02:30 begins on the 8th."""
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction
    from pendulum import datetime as moment

    timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    after = timetable.infer_manual_data_interval(run_after=moment(2026, 5, 8, 12))
    restriction = TimeRestriction(earliest=moment(2026, 1, 1), latest=None, catchup=True)
    info = timetable.next_dagrun_info(last_automated_data_interval=after, restriction=restriction)
    assert info.run_after == moment(2026, 5, 9, 2, 30)
    score = dag.get_task("score")
    assert "application_args" in score.template_fields
    # What `ds` is under Airflow 3's own cron schedules is of no weight.
    context = {"data_interval_start": info.data_interval.start, "ds": "2026-05-09"}
    words = score.render_template(score.application_args, context)
    said = _parser().parse_args(["score-table", *words])
    assert said.run_id == "customers-2026-05-08"
    assert said.where == "day = DATE '2026-05-08'"
    assert said.report == [
        "s3a://jobs/customers/2026-05-08.json",
        "s3a://jobs/customers/2026-05-08.html",
    ]


def test_a_run_without_an_interval_fails_and_scores_no_other_day(dag):
    """Started by hand with no logical date, Airflow 3 gives a run no interval."""
    from jinja2 import UndefinedError

    score = dag.get_task("score")
    for context in ({}, {"data_interval_start": None}):
        with pytest.raises(UndefinedError):
            score.render_template(score.application_args, context)


@pytest.fixture
def ends(dag, tmp_path, monkeypatch):
    """Run the task with a spark-submit that ends as it is told."""
    program = tmp_path / "spark-submit"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def run(status):
        program.write_text(f"#!/bin/sh\necho 'dai-spark: a sentence'\nexit {status}\n")
        program.chmod(0o755)
        score = dag.get_task("score")
        score._hook = None
        return score.execute({})

    return run


def test_retries_and_branches_follow_the_exit_status(dag, ends):
    """Scores are used after 0; 4 to 6 are looked at; 2 and 3 are not tried again; 1 and 137 are."""
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    branch = dag.get_task("by_status").python_callable
    assert branch(ends(0)) == "publish"
    for status, name in ((4, "bad rows"), (5, "drift"), (6, "contract"), (7, "too few rows")):
        assert ends(status) == name
        assert branch(name) == "look_at_the_report"
        with pytest.raises(AirflowFailException, match=name):
            dag.get_task("look_at_the_report").python_callable(name)
    for status in (2, 3):
        with pytest.raises(AirflowFailException, match=f"Error code is: {status}"):
            ends(status)
    for status in (1, 137):
        with pytest.raises(AirflowException) as raised:
            ends(status)
        assert not isinstance(raised.value, AirflowFailException)


def test_the_job_says_of_each_status_what_the_dag_understands(dag):
    """The statuses of the job and those of the DAG are one list."""
    import ast

    from dai_spark.table_job.report.outcome import STATUSES

    tree = ast.parse((JOBS / "airflow" / "score_customers.py").read_text(encoding="utf-8"))
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            found.update(ast.literal_eval(node.value))
    assert found == {STATUSES[name]: name for name in found.values()}
    assert {*found, 0, 1} == set(STATUSES.values())
