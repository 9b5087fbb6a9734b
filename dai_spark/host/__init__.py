"""What is this machine's own: folders, files, locks and names.  Imports nothing above it.

::

    cache_folder       the owner-only folder where unpacked files and remembered answers lie
    atomic_file        a file that is written whole or not at all
    package_zip        this very package as one importable file
    zip_entry          an entry of a zip, the same bytes whenever it is written
    digest             the SHA-256 of a file, remembered
    file_lock          locks between processes, with a limit on every wait
    uri                what names a file of this machine, and what only Spark can read
    java_zones         the time zone rules of a running JVM
    cgroup             CPUs and memory that a container leaves this process
    program_loader     why a program does not begin on this host
    child_environment  what a process that runs a pipeline knows of its environment
"""
