"""Archives to folders of this host, once for all its processes.

::

    folders        the unpacked pipeline, the environment, the sidecar's source
    unpack_cache   what lies unpacked, who uses it, and what goes when there is too much
"""
