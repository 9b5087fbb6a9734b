"""Archives to folders of this host, once for all its processes.

::

    folders        the unpacked pipeline, the environment, the sidecar's source
    one_copy       the archives that Spark brought, one copy for all its sessions and executors
    contents       what an unpacked folder held when it was whole
    unpack_cache   what lies unpacked, who uses it, and what goes when there is too much
"""
