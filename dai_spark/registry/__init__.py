"""Pipelines that lie elsewhere: found by name, brought to this host, checked.

::

    pipeline_place   wherever a pipeline lies, its zip or folder on this host
    checksum         a file is opened only if it has the SHA-256 that was named for it
    oci/             pipelines in registries of images
    remote_file      pipelines in object stores, without Spark
    model_uri        models:/ and runs:/ URIs, taken apart
    mlflow_client    MLflow's client, and its errors as ours
    find_model       a URI to the one version that it names now
    origin           that version, for lineage and reports
    logged_pipeline  the block of a logged model's MLmodel that is ours: written and read
    model_cache      files of models on this host, by digest
    open_model       a model's URI to a pipeline of this host and its environment
"""
