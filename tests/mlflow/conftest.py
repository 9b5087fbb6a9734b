"""An MLflow store of the suite's own, and pipelines that are logged to it."""

import sys
from pathlib import Path

import pytest

if sys.version_info < (3, 10):
    pytest.skip("MLflow has left Python 3.9.", allow_module_level=True)

from mlflow_store import imported, store_in

imported()
HERE = Path(__file__).parent
# What MLflow and its libraries warn of is not ours to mend; of ours nothing may warn.
WARNINGS = ("default", "error:::dai_spark")


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            for rule in WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(rule))


@pytest.fixture(scope="session", autouse=True)
def store(tmp_path_factory, license_text):
    """A folder with a store in sqlite, which this process and those that it starts use."""
    with store_in(tmp_path_factory.mktemp("mlflow"), license_text) as folder:
        yield folder


@pytest.fixture(scope="session")
def log(store, export, packed_environment):
    """Log a pipeline, by default the flights of two classes, once for its arguments."""
    import dai_spark.mlflow

    known = {}

    def log(pipeline=None, **words):
        key = (str(pipeline), *sorted((name, repr(value)) for name, value in words.items()))
        if key not in known:
            words = {"env": packed_environment.path, **words}
            known[key] = dai_spark.mlflow.log_model(pipeline or export(), **words)
        return known[key]

    return log


@pytest.fixture
def folder_of(store):
    """The folder where the store keeps a logged model."""

    def folder(info):
        (found,) = store.glob(f"mlruns/*/models/{info.model_id}/artifacts")
        return found

    return folder


@pytest.fixture(scope="session")
def rows(flights):
    """Three hundred flights, with an index that is not their place."""
    return flights.head(300).set_axis(range(900, 1200), axis=0)
