# Databricks notebook source
# MAGIC %md
# MAGIC # Package a pipeline
# MAGIC Logs and registers a pipeline. Where a deployment job is connected to the model, waits until
# MAGIC it has brought the new version to the endpoint, and scores example rows with it.

# COMMAND ----------

import os

import mlflow
import pandas as pd
from databricks.sdk import WorkspaceClient
from databricks.sdk.runtime import dbutils
from serving_endpoint import endpoint_name, smoke_test, wait_until_ready

import dai_spark.mlflow
from dai_spark import ScoringPipeline

dbutils.widgets.text("pipeline", os.environ.get("SCORING_PIPELINE_DIR", ""))
dbutils.widgets.text("env", os.environ.get("DAI_SPARK_ENV", ""))
dbutils.widgets.text("model_name", "")
dbutils.widgets.dropdown("wait_for_endpoint", "yes", ["yes", "no"])
model_name = dbutils.widgets.get("model_name")

# COMMAND ----------

mlflow.set_registry_uri(os.environ.get("MLFLOW_REGISTRY_URI", "databricks-uc"))
mlflow.set_experiment(
    os.environ.get("H2O_DAI_MLFLOW_EXPERIMENT", "/Shared/h2o_dai_py_scoring_mlflow")
)
pipeline = ScoringPipeline(dbutils.widgets.get("pipeline"))
example = pd.DataFrame(
    {column.name: [column.samples[0] if column.samples else None] for column in pipeline.columns}
)
with mlflow.start_run():
    info = dai_spark.mlflow.log_model(
        pipeline,
        dbutils.widgets.get("env"),
        name=os.environ.get("H2O_DAI_MLFLOW_ARTIFACT_PATH", "h2o_dai_scoring_pyfunc"),
        registered_model_name=model_name,
        input_example=example,
    )
model_version = str(info.registered_model_version)
print(f"{info.model_uri} is version {model_version} of {model_name}")

# COMMAND ----------

if dbutils.widgets.get("wait_for_endpoint") == "yes":
    workspace = WorkspaceClient()
    endpoint = endpoint_name(model_name)
    wait_until_ready(workspace, endpoint, model_version)
    print(smoke_test(workspace, endpoint, example))
