"""Servers of one pipeline.

::

    grpc/    the protocols of gRPC
    tensors  tensors of the Open Inference Protocol, for each of its transports
"""
