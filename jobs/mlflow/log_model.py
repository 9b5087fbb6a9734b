"""Log a pipeline: the entry point ``log_model`` of the Project, ``main_task`` of the bundle."""

import argparse
import os
import sys

import mlflow

import dai_spark.mlflow
from dai_spark.errors import DaiSparkError, OptionError

ARTIFACT_PATH = "h2o_dai_scoring_pyfunc"


def main():
    """Log, register where that is asked, and print the model's URI; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scoring-dir", default="")
    parser.add_argument("--env", default="")
    parser.add_argument("--artifact-path", default="")
    parser.add_argument("--registered-model-name", default="")
    given = parser.parse_args()
    pipeline = given.scoring_dir or os.environ.get("SCORING_PIPELINE_DIR")
    # `mlflow run` has begun a run, in an experiment of its own.
    if "MLFLOW_RUN_ID" not in os.environ and "H2O_DAI_MLFLOW_EXPERIMENT" in os.environ:
        mlflow.set_experiment(os.environ["H2O_DAI_MLFLOW_EXPERIMENT"])
    try:
        if not pipeline:
            raise OptionError(
                "Give scoring_dir, the exported zip or folder, or set SCORING_PIPELINE_DIR."
            )
        with mlflow.start_run():
            info = dai_spark.mlflow.log_model(
                pipeline,
                given.env or None,
                name=given.artifact_path
                or os.environ.get("H2O_DAI_MLFLOW_ARTIFACT_PATH")
                or ARTIFACT_PATH,
                registered_model_name=given.registered_model_name or None,
            )
    except DaiSparkError as error:
        print(f"log_model: {error.message}", file=sys.stderr)
        return 1
    print(f"logged {info.model_uri}, by run {info.run_id}")
    if given.registered_model_name:
        print(f"version {info.registered_model_version} of {given.registered_model_name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
