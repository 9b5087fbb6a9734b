"""Entries of zips: equal contents give equal bytes, whenever and wherever they are written."""

import zipfile

__all__ = ["zip_entry"]

# The first time that a zip can hold.
_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


def zip_entry(name: str, *, mode: int, deflate: bool = True) -> zipfile.ZipInfo:
    """Describe one file of a zip, for `zipfile.ZipFile.writestr` or `open`.

    Parameters
    ----------
    name : str
        Name in the archive.
    mode : int
        Rights of the file, ``0o644``.
    deflate : bool, default True
        Whether it is compressed; what is compressed already is better stored.

    Returns
    -------
    zipfile.ZipInfo
    """
    entry = zipfile.ZipInfo(name, _TIME)
    entry.create_system = _UNIX
    entry.external_attr = mode << 16
    entry.compress_type = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    return entry
