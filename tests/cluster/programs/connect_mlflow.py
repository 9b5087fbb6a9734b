"""Scores over Spark Connect with a model of MLflow's registry: by MLflow's UDF, and by ours."""

import json
import sys
from pathlib import Path

arguments = json.loads(sys.argv[1])
sys.path.insert(0, arguments["repo"])

import mlflow
from pyspark.sql import SparkSession

import dai_spark.mlflow
from dai_spark import score_table, score_udf

out = Path(arguments["out"])
license_text = Path(arguments["license_file"]).read_text()
mlflow.set_tracking_uri(f"sqlite:///{out}/mlflow.db")
mlflow.create_experiment("flights", artifact_location=str(out / "artifacts"))
mlflow.set_experiment("flights")
logged = dai_spark.mlflow.log_model(
    arguments["pipeline"],
    arguments["env"],
    registered_model_name="flights",
    license=license_text,
)
mlflow.MlflowClient().set_registered_model_alias("flights", "champion", 1)
model = "models:/flights@champion"


def save(frame, name):
    frame = frame.select("flight_id", "prediction.*").toPandas()
    # Connect hangs the query's metrics on, which pandas cannot write.
    frame.attrs.clear()
    frame.to_parquet(out / f"{name}.parquet")


spark = (
    SparkSession.builder.remote("local[2]")
    .config("spark.driver.memory", "1g")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.warehouse.dir", str(out / "warehouse"))
    .getOrCreate()
)
flights = spark.read.parquet(arguments["flights"]).repartition(4)
theirs = mlflow.pyfunc.spark_udf(
    spark, model, env_manager="local", extra_env={"DRIVERLESS_AI_LICENSE_KEY": license_text}
)
names = [column.name for column in logged.signature.inputs]
save(flights.withColumn("prediction", theirs(*names)), "spark_udf")
ours = score_udf(model, license=license_text)
save(flights.withColumn("prediction", ours()), "score_udf")
report = score_table(
    model,
    source=f"parquet:{arguments['flights']}",
    target=f"parquet:{out / 'scores'}",
    keep=["flight_id"],
    license=license_text,
)
save(spark.read.parquet(str(out / "scores")), "table")
told = json.loads(report.to_json())
found = {"session": type(spark).__module__, "model": told["model"], "n_rows": report.n_rows}
(out / "findings.json").write_text(json.dumps(found))
