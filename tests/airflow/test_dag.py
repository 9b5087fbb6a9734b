"""The DAG of jobs/airflow, loaded by Airflow itself: `make test-airflow`, in an own environment."""

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
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(JOBS / "airflow"))
    assert bag.import_errors == {}
    assert bag.captured_warnings == {}
    assert list(bag.dags) == ["score_customers"]
    return bag.dags["score_customers"]


def test_airflow_takes_the_dag(dag):
    """One task each night, one run at a time, and no old days by accident."""
    assert [task.task_id for task in dag.tasks] == ["score"]
    assert dag.schedule == "30 2 * * *"
    assert dag.max_active_runs == 1
    assert dag.catchup is False
    (task,) = dag.tasks
    assert task.retries == 2
    assert Path(task.application).name == "score_table.py"


def test_airflow_puts_the_date_into_our_command_line(dag):
    """`application_args` is a template: what it becomes is what the job's parser understands."""
    (task,) = dag.tasks
    assert "application_args" in task.template_fields
    words = task.render_template(task.application_args, {"ds": "2026-05-08"})
    said = _parser().parse_args(["score-table", *words])
    assert said.run_id == "customers-2026-05-08"
    assert said.where == "day = DATE '2026-05-08'"
    assert said.report == [
        "s3a://jobs/customers/2026-05-08.json",
        "s3a://jobs/customers/2026-05-08.html",
    ]
    assert datetime.timedelta(0) < task.execution_timeout
