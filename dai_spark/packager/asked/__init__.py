"""What a user asks for, in files and flags: read and checked before anything is done.

::

    pack_file    pack.yaml: its fields, checked, unknown ones refused
    connections  registries by name, and where their credentials lie
    document     a file of YAML as checked fields; what is wrong in one sentence
    quantity     amounts of processors and memory as Kubernetes writes them
"""
