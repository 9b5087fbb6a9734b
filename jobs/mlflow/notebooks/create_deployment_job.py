# Databricks notebook source
# MAGIC %md
# MAGIC # Create the deployment job
# MAGIC Once a model: makes the job that MLflow starts for each new version (or brings it up to
# MAGIC date), and connects it to the model.

# COMMAND ----------

import os

import mlflow
from databricks.sdk import WorkspaceClient
from databricks.sdk.runtime import dbutils
from databricks.sdk.service.jobs import (
    JobParameterDefinition,
    JobSettings,
    NotebookTask,
    QueueSettings,
    Task,
)

dbutils.widgets.text("model_name", "")
dbutils.widgets.text("model_version", "1")
dbutils.widgets.text("deployment_notebook_path", "")
model_name = dbutils.widgets.get("model_name")

# COMMAND ----------

settings = JobSettings(
    name=f"deploy {model_name}",
    tasks=[
        Task(
            task_key="Deployment",
            notebook_task=NotebookTask(dbutils.widgets.get("deployment_notebook_path")),
            max_retries=0,
        )
    ],
    # MLflow gives both when it starts the job.
    parameters=[
        JobParameterDefinition(name="model_name", default=model_name),
        JobParameterDefinition(name="model_version", default=dbutils.widgets.get("model_version")),
    ],
    queue=QueueSettings(enabled=True),
    max_concurrent_runs=1,
)
workspace = WorkspaceClient()
found = list(workspace.jobs.list(name=settings.name))
if found:
    job_id = found[0].job_id
    workspace.jobs.reset(job_id, settings)
else:
    job_id = workspace.jobs.create(**settings.as_shallow_dict()).job_id
print(f"job {job_id}: {settings.name}")

# COMMAND ----------

mlflow.set_registry_uri(os.environ.get("MLFLOW_REGISTRY_URI", "databricks-uc"))
mlflow.MlflowClient().update_registered_model(model_name, deployment_job_id=str(job_id))
