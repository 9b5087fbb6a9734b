"""Where packages come from: the settings of uv, and the places that a build names."""

from pathlib import Path
from typing import NamedTuple, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from dai_spark.errors import EnvironmentBuildError

__all__ = ["NETWORK", "PackageSources"]


class PackageSources(NamedTuple):
    """The places that packages are taken from.

    Attributes
    ----------
    find_links : tuple of str
        Addresses of folders (``file:``) and of pages that link to wheels, beside the index.
    offline_wheels : Path or None
        Folder of wheels that everything is taken from: no index, no network, no cache, no settings
        of uv.
    """

    find_links: Tuple[str, ...] = ()
    offline_wheels: Optional[Path] = None

    @classmethod
    def of(cls, find_links: Sequence[str]) -> "PackageSources":
        """Read the places that the user names.

        Parameters
        ----------
        find_links : sequence of str
            Paths of folders, and URLs.

        Returns
        -------
        PackageSources

        Raises
        ------
        EnvironmentBuildError
            Nothing lies at a path.
        """
        found = []
        for place in find_links:
            if urlsplit(place).scheme in ("http", "https", "file"):
                found.append(place)
                continue
            path = Path(place).expanduser().absolute()
            if not path.exists():
                raise EnvironmentBuildError(
                    f"--find-links names {place}, where nothing lies; give a folder of wheels, or "
                    "the URL of a page that links to some."
                )
            # uv runs in a folder of its own.
            found.append(path.as_uri())
        return cls(tuple(found))


NETWORK = PackageSources()
