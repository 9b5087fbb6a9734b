"""The folder that brings a build to a machine without network.

::

    offline_folder   OfflineFolder: its parts and digests; OfflinePython: the Python in it
    wheelhouse       fills it with wheels, with pip
    jars             fills it with jars of Delta Lake and Iceberg, with Maven
"""
