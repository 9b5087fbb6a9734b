"""Protocols of HTTP, each a translator onto a table of the pipeline's columns and options.

::

    http_protocol  what a protocol is to the application
    served_protocols  those that a server has, by name
    predict        our own: rows in any format, by Content-Type and Accept
    invocations    MLflow's, SageMaker's and Vertex's
    dai_rpc        the JSON-RPC of Driverless AI's own server
    odahu          Odahu's REST images: columns and rows
    inference      the Open Inference Protocol's version 2: tensors
    kserve_v1      KServe's first: instances
    mojo           H2O's MOJO scorers and MLOps: rows of texts
"""
