"""Where packages come from: what uv's own settings say, and the places that a build names."""

from pathlib import Path
from typing import NamedTuple, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from dai_spark.errors import EnvironmentBuildError

__all__ = ["NETWORK", "Sources"]


class Sources(NamedTuple):
    """Places of wheels.

    Attributes
    ----------
    find_links : tuple of str
        Addresses of folders (``file:``) and of pages that link to wheels, beside the index.
    carried : Path or None
        Folder of wheels that all is taken from: no index, no network, no cache, no settings.
    """

    find_links: Tuple[str, ...] = ()
    carried: Optional[Path] = None

    @classmethod
    def of(cls, find_links: Sequence[str]) -> "Sources":
        """Take them from arguments: paths of folders, or URLs.

        Raises
        ------
        EnvironmentBuildError
            A path leads to no folder and no page.
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


NETWORK = Sources()
