"""Pipelines in OCI registries, where images lie: pushed there, and brought to this host.

::

    oci_reference  an oci:// URI, taken apart
    auth_file      a user's credentials, from the files of container engines
    oci_registry   the registry's client, and its errors as ours
    oci_pipeline   a pipeline as an artefact: pushed, found, fetched, held to its digests
"""
