"""Reads which shared libraries the binaries of a folder need, and where they look for them.

The loader's rules (`man ld.so`): a library is looked for in the RPATH or
RUNPATH of the file that needs it, with ``$ORIGIN`` standing for that file's folder, and then on
the system.  Every file is made to find its own libraries, whatever another file has loaded before.
"""

import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

__all__ = [
    "Binary",
    "is_base",
    "missing_libraries",
    "needing_newer_glibc",
    "newest_glibc",
    "read_binaries",
    "read_binary",
    "system_libraries",
]

# The parts of the GNU C library: never packed, since they must match the
# kernel-side loader of the machine that runs them.  Everything else is packed.
_BASE = re.compile(
    r"^(linux-vdso|ld-linux[\w-]*|libc|libm|libmvec|libdl|librt|libpthread|libutil|libresolv"
    r"|libanl|libnsl|libBrokenLocale|libthread_db|libnss_\w+)\.so\.\d+$"
)
_GLIBC = re.compile(r"^GLIBC_(\d+(?:\.\d+)+)$")


class Binary(NamedTuple):
    """An executable or shared library, as its dynamic section describes it.

    Attributes
    ----------
    path : Path
        The file.
    needed : tuple of str
        Names of the libraries that it needs.
    search : tuple of str
        Entries of its RPATH or RUNPATH.
    glibc : tuple of tuple of int
        Versions of the GNU C library that it asks symbols of.
    """

    path: Path
    needed: Tuple[str, ...]
    search: Tuple[str, ...]
    glibc: Tuple[Tuple[int, ...], ...]

    def folders(self) -> List[Path]:
        """Resolve its search path.

        Returns
        -------
        list of Path
            The folders, with ``$ORIGIN`` replaced.
        """
        origin = str(self.path.parent)
        return [
            Path(os.path.normpath(re.sub(r"\$\{?ORIGIN\}?", lambda _: origin, entry)))
            for entry in self.search
        ]

    def finds(self, library: str, root: Path) -> bool:
        """Whether its search path leads to the library, below `root`.

        A search path of the building machine leads elsewhere, and nowhere on another machine.

        Parameters
        ----------
        library : str
            Name of the library.
        root : Path
            The prefix.

        Returns
        -------
        bool
        """
        return any(
            (folder / library).exists()
            for folder in self.folders()
            if folder == root or root in folder.parents
        )


def missing_libraries(folder: Path) -> Dict[str, str]:
    """Return libraries that a binary below `folder` needs and does not find there.

    The parts of the C library are not counted.

    Parameters
    ----------
    folder : Path
        The prefix.

    Returns
    -------
    dict of str to str
        Library to the path, relative to `folder`, of the first binary that needs it.
    """
    found: Dict[str, str] = {}
    for binary in read_binaries(folder):
        for library in binary.needed:
            if not is_base(library) and not binary.finds(library, folder):
                found.setdefault(library, str(binary.path.relative_to(folder)))
    return dict(sorted(found.items()))


def is_base(library: str) -> bool:
    """Whether a library belongs to the GNU C library, which every host has.

    Parameters
    ----------
    library : str
        Name of the library.

    Returns
    -------
    bool
    """
    return _BASE.match(library) is not None


def read_binaries(folder: Path) -> Iterator[Binary]:
    """Read every dynamic executable and shared library below a folder; links are not followed.

    Parameters
    ----------
    folder : Path
        The folder.

    Yields
    ------
    Binary
    """
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(parent) / name
            if stat.S_ISREG(path.lstat().st_mode):
                found = read_binary(path)
                if found is not None:
                    yield found


def read_binary(path: Path) -> Optional[Binary]:
    """Read one file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Binary or None
        None where it is not a dynamic ELF file.
    """
    with path.open("rb") as stream:
        if stream.read(4) != b"\x7fELF":
            return None
        try:
            elf = ELFFile(stream)
            dynamic = elf.get_section_by_name(".dynamic")
            if not isinstance(dynamic, DynamicSection):
                return None
            needed: List[str] = []
            search: List[str] = []
            tags: Iterator[Any] = dynamic.iter_tags()
            for tag in tags:
                if tag.entry.d_tag == "DT_NEEDED":
                    needed.append(tag.needed)
                elif tag.entry.d_tag == "DT_RPATH":
                    search.extend(tag.rpath.split(":"))
                elif tag.entry.d_tag == "DT_RUNPATH":
                    search.extend(tag.runpath.split(":"))
            versions: List[Tuple[int, ...]] = []
            section = elf.get_section_by_name(".gnu.version_r")
            if isinstance(section, GNUVerNeedSection):
                for _, wanted in section.iter_versions():
                    for one in wanted:
                        match = _GLIBC.match(one.name)
                        if match:
                            versions.append(tuple(int(n) for n in match.group(1).split(".")))
        except ELFError:
            return None
    return Binary(path, tuple(needed), tuple(entry for entry in search if entry), tuple(versions))


def newest_glibc(folder: Path) -> Optional[str]:
    """Find the oldest GNU C library on which all binaries of a folder load.

    Parameters
    ----------
    folder : Path
        The prefix.

    Returns
    -------
    str or None
        The highest version that a binary asks symbols of, ``"2.17"``; None where there are no
        binaries.
    """
    found = [version for binary in read_binaries(folder) for version in binary.glibc]
    return ".".join(str(number) for number in max(found)) if found else None


def needing_newer_glibc(folder: Path, glibc: str) -> Dict[str, str]:
    """Find the binaries that a GNU C library of a version does not load.

    Parameters
    ----------
    folder : Path
        The prefix.
    glibc : str
        The version, ``"2.28"``.

    Returns
    -------
    dict of str to str
        Path relative to `folder` to the version that it needs.
    """
    most = tuple(int(number) for number in glibc.split("."))
    return {
        str(binary.path.relative_to(folder)): ".".join(map(str, max(binary.glibc)))
        for binary in read_binaries(folder)
        if binary.glibc and max(binary.glibc) > most
    }


def system_libraries() -> Dict[str, Path]:
    """Ask this machine's loader for the libraries that it knows.

    Returns
    -------
    dict of str to Path
        Name to path.

    Raises
    ------
    OSError, subprocess.SubprocessError
        ldconfig cannot be run.
    """
    environment = {"PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "LC_ALL": "C"}
    listed = subprocess.run(
        ["ldconfig", "-p"], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    wide = "x86-64" if os.uname().machine == "x86_64" else os.uname().machine
    found: Dict[str, Path] = {}
    for line in listed.stdout.splitlines():
        match = re.match(r"\s+(\S+) \(([^)]*)\) => (\S+)", line)
        if match and (wide in match.group(2) or wide.lower() in match.group(2).lower()):
            found.setdefault(match.group(1), Path(match.group(3)))
    return found
