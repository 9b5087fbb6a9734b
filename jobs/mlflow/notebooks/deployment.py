# Databricks notebook source
# MAGIC %md
# MAGIC # Deployment
# MAGIC The task of the deployment job: serves a version of a model, waits until its endpoint is
# MAGIC READY, and scores the model's example rows with it.

# COMMAND ----------

import mlflow
from databricks.sdk import WorkspaceClient
from databricks.sdk.runtime import dbutils
from serving_endpoint import deploy, smoke_test, wait_until_ready

dbutils.widgets.text("model_name", "")
dbutils.widgets.text("model_version", "")
dbutils.widgets.text("licence_scope", "dai")
dbutils.widgets.text("licence_key", "license")
model_name = dbutils.widgets.get("model_name")
model_version = dbutils.widgets.get("model_version")

# COMMAND ----------

workspace = WorkspaceClient()
endpoint = deploy(
    workspace,
    model_name,
    model_version,
    dbutils.widgets.get("licence_scope"),
    dbutils.widgets.get("licence_key"),
)
wait_until_ready(workspace, endpoint, model_version)
print(f"{endpoint} serves version {model_version} of {model_name}")

# COMMAND ----------

uri = f"models:/{model_name}/{model_version}"
example = mlflow.models.Model.load(uri).load_input_example(uri)
print(smoke_test(workspace, endpoint, example))
