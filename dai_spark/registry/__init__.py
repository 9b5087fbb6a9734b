"""Pipelines that lie in an MLflow store: found by name, brought to this host, checked.

::

    model_uri        models:/ and runs:/ URIs, taken apart
    mlflow_client    MLflow's client, and its errors as ours
    find_model       a URI to the one version that it names now
    origin           that version, for lineage and reports
    logged_pipeline  the block of a logged model's MLmodel that is ours: written and read
    model_cache      files of models on this host, by digest
    open_model       a URI to a pipeline of this host and its environment
"""
