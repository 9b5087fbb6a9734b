"""A model of MLflow's registry is served by its alias, and the one that the alias leads to now."""

import pytest
from mlflow_store import imported, store_in
from processes import wait_until
from scoring_server import same

mlflow = imported()
pytestmark = [
    # MLflow warns of itself, and of its libraries.
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("error:::dai_spark"),
]


def test_an_alias_is_followed(
    tmp_path, license_text, serve, export, packed_environment, records, own
):
    """The version that it leads to answers; when it is moved the other one does, and says so."""
    import dai_spark.mlflow

    with store_in(tmp_path, license_text):
        for pipeline in (export(), export(n_trees=21)):
            dai_spark.mlflow.log_model(
                pipeline, packed_environment.path, registered_model_name="flights"
            )
        client = mlflow.MlflowClient()
        client.set_registered_model_alias("flights", "champion", "1")
        variables = {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()}
        server = serve("models:/flights@champion", "--reload-s", 0.3, environment=variables)

        def version():
            text = server.client.get("/metrics").text
            return text.partition("dai_spark_model_info{")[2].partition('version="')[2][:1]

        assert version() == "1"
        assert same(server.client.post("/predict", json=records).json(), own)
        client.set_registered_model_alias("flights", "champion", "2")
        assert wait_until(lambda: version() == "2", 40)
        assert not same(server.client.post("/predict", json=records).json(), own)
        assert server.client.get("/v1/models/flights").status_code == 200
