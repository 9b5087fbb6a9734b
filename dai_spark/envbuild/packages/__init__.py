"""Which packages an environment gets, and how they are installed.

::

    requirements          RequirementSet, and the lock of a Driverless AI line
    export_requirements   the requirements of an export
    merging               its lists made one: a requirement for each package
    addresses             its requirements that name an address: fetched, replaced or refused
    bundled_wheels        the wheels that an export brings
    wheel_name            the file names of wheels
    wheel_file            what a wheel says of itself; wheels of old versions
    selection             Choice, and the packages that are left out by default
    without_cuda          builds without CUDA in place of those with it
    package_sources       where packages come from: index, folders, pages, an offline folder
    uv                    runs uv: resolve, install, ask whether a package can be had
"""
