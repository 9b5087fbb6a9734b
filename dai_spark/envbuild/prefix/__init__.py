"""What is done to an installed prefix, up to the archive.

::

    tensorflow_names   renames TensorFlow as Driverless AI's installer does
    prune              removes tests and build records, makes scripts relocatable, compiles
    shared_libraries   reads which libraries binaries need, and where they look for them
    bundle             copies libraries into the prefix and sets search paths
    pack               writes the archive: the same bytes for the same files
"""
