"""A store of MLflow's in sqlite, for a block's time, which processes that start in it use too."""

import contextlib
import os
import warnings

import pytest


def imported():
    """MLflow; it and its libraries warn of each other when they are imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow
        import mlflow.pyfunc.scoring_server
    return mlflow


@contextlib.contextmanager
def store_in(folder, license_text):
    """Let this process log to a store in `folder`, and work there, with a licence."""
    mlflow = imported()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/store.db")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("DRIVERLESS_AI_LICENSE_KEY", license_text)
        patch.chdir(folder)
        mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
        yield folder
        mlflow.set_tracking_uri(None)
