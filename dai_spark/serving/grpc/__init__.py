"""The protocols of gRPC, in the process and event loop of the server.

::

    grpc_server        the services on one port, with token, TLS, health and reflection
    scoring_service    what every pipeline has: Info, Score, ScoreStream
    typed_service      a service of a pipeline's own, a row a message
    inference_service  the Open Inference Protocol's service
    reflected          reflection, which follows the model that is served
    call               a call's model, deadline and name
    status_codes       errors as gRPC's statuses with details
    served             what the protocols want of the server's core
    scoring_proto      the file of `scoring_service`
    typed_proto        the file of `typed_service`, made of a pipeline's columns
    inference_proto    the file of `inference_service`
    file_client        a file scored through a running server
    proto_file         files of protobuf made at run time, and their text
"""
