"""Scores customers each night: an Airflow 3 DAG with the Apache Spark provider.

Copy it into the DAGs folder; the connection `spark_default` names the cluster.
"""

from datetime import datetime, timedelta

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG

with DAG(
    "score_customers",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1),
    # Old days are scored by `--where` and a run id of their own, not by accident on deployment.
    catchup=False,
    # The job's own lock would make the second run wait; it need not start a driver for that.
    max_active_runs=1,
    default_args={
        # A run id belongs to one logical date, so that an attempt after one that was killed half
        # way finishes it and writes nothing twice.
        "retries": 2,
        "retry_delay": timedelta(minutes=10),
        "execution_timeout": timedelta(hours=4),
    },
) as dag:
    SparkSubmitOperator(
        task_id="score",
        application="/opt/dai_spark/jobs/score_table.py",
        py_files="/opt/dai_spark/dist/dai_spark.zip",
        # A path: Airflow logs the command line, and shows what stands here.
        env_vars={"DRIVERLESS_AI_LICENSE_FILE": "/etc/dai_spark/license.sig"},
        application_args=[
            "--config",
            "s3a://jobs/customers.toml",
            "--run-id",
            "customers-{{ ds }}",
            # Of the same date, so that a run for an old date reads its own rows.
            "--where",
            "day = DATE '{{ ds }}'",
            "--report",
            "s3a://jobs/customers/{{ ds }}.json,s3a://jobs/customers/{{ ds }}.html",
        ],
    )
