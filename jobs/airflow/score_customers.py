"""Scores customers each night: an Airflow 3 DAG with the Apache Spark and SMTP providers.

Copy it into the DAGs folder; the connection `spark_default` names the cluster, `smtp_default` the
mail server.
"""

import re
from datetime import datetime, timedelta

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

# The day that is scored: the one that had ended when the run began.  Not `ds`: Airflow 3 makes of
# a cron text a schedule whose logical date, and so `ds`, is the moment of the run itself, on a day
# that has just begun.  The timetable below has intervals, whatever Airflow's settings say.
DAY = "{{ data_interval_start.strftime('%Y-%m-%d') }}"
# What the job's exit status (docs/table_job.md) means for the night's other tasks.
LOOKED_AT_BY_SOMEBODY = {4: "bad rows", 5: "drift", 6: "contract", 7: "too few rows"}
NOT_WORTH_A_RETRY = {2: "usage", 3: "refused"}


class ScoreTable(SparkSubmitOperator):
    """spark-submit that returns how the job ended, for the branch behind it."""

    def execute(self, context):
        """Run the job: its status's name, or an error that is retried only where that may help."""
        try:
            super().execute(context)
        except AirflowException as error:
            # In client mode; YARN's cluster mode makes 1 of every status but 0.
            found = re.search(r"Error code is: (\d+)", str(error))
            status = int(found.group(1)) if found else 1
            if status in LOOKED_AT_BY_SOMEBODY:
                return LOOKED_AT_BY_SOMEBODY[status]
            if status in NOT_WORTH_A_RETRY:
                raise AirflowFailException(str(error)) from error
            raise
        return "done"


MAIL = SmtpNotifier(
    from_email="airflow@example.com",
    to="data-engineering@example.com",
    subject="score_customers: task {{ ti.task_id }} of {{ run_id }} failed",
    html_content="The last line of its log that begins with 'dai-spark:' says why.",
)

with DAG(
    "score_customers",
    schedule=CronDataIntervalTimetable("30 2 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    # Old days are scored by a backfill, whose runs have their own intervals, not on deployment.
    catchup=False,
    # The job's own lock would make the second run wait; it need not start a driver for that.
    max_active_runs=1,
    default_args={
        # A run id belongs to one day, so that an attempt after one that was killed half way
        # finishes it and writes nothing twice.
        "retries": 2,
        "retry_delay": timedelta(minutes=10),
        "execution_timeout": timedelta(hours=4),
        # After the last attempt.
        "on_failure_callback": [MAIL],
    },
) as dag:
    score = ScoreTable(
        task_id="score",
        application="/opt/dai_spark/jobs/score_table.py",
        py_files="/opt/dai_spark/dist/dai_spark.zip",
        # A path: Airflow logs the command line, and shows what stands here.
        env_vars={"DRIVERLESS_AI_LICENSE_FILE": "/etc/dai_spark/license.sig"},
        application_args=[
            "--config",
            "s3a://jobs/customers.toml",
            "--run-id",
            f"customers-{DAY}",
            # Of the same day, so that a run for an old day reads its own rows.
            "--where",
            f"day = DATE '{DAY}'",
            "--report",
            f"s3a://jobs/customers/{DAY}.json,s3a://jobs/customers/{DAY}.html",
        ],
    )

    @task.branch(retries=0)
    def by_status(status):
        """Use the scores, or have somebody look at why the target is as it was."""
        return "publish" if status == "done" else "look_at_the_report"

    @task(retries=0)
    def look_at_the_report(status):
        """Fail, which is mailed; another attempt would not help."""
        raise AirflowFailException(f"The target was left as it was ({status}); look at the report.")

    # In its place: what uses the scores.
    publish = EmptyOperator(task_id="publish")
    by_status(score.output) >> [publish, look_at_the_report(score.output)]
