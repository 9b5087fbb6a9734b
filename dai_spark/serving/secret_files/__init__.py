"""What a server reads of secrets: files, as Kubernetes mounts them.

::

    bearer_token  what clients must show, from a file that may be replaced
    tls_files     certificate and key, read before a server listens
"""
