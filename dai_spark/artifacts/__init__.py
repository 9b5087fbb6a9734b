"""What a user brings: read here, and never run.

::

    pipeline        the export of an experiment: columns, target, version, wheel
    environment     the packed environment: its manifest, its Python, whether it fits
    extract         an archive into a fresh folder, with nothing outside it
    license         the Driverless AI licence: found, carried, never shown
"""
