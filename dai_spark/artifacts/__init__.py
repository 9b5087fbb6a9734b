"""What a user brings: read here, and never run.

::

    pipeline          the export of an experiment: columns, target, version, wheel
    export/           an export as it comes: zip, tar or folder, and its small files
    pipeline_columns  the input columns that it declares
    slim_copy         the part of an export that travels
    lean_export       an export without the wheels of what its pipeline needs
    environment       the packed environment: its Python, whether it fits
    manifest          what it states of itself
    archive           its archive as a stream of members
    extract           its archive into a fresh folder, with nothing outside it
    file_threads      files that threads write while the archive is read on
    license           the Driverless AI licence: found, carried, never shown
"""
