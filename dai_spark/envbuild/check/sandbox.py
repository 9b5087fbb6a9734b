"""Runs programs of an unpacked environment where they see nothing but it and the C library.

Where the system allows it (root, or user namespaces), a folder that holds the environment and the
C library's own files becomes the root of what runs there, in a mount namespace of its own: what is
not in the archive cannot be found.  Elsewhere it runs among the machine's files.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import List, Mapping, Optional

from dai_spark.envbuild.prefix.shared_libraries import is_base, system_libraries

__all__ = ["Sandbox"]

_LIMIT_S = 300
# $1 the folder that becomes the root, the rest is the command.  The mounts exist only in the
# namespace that unshare made, and are gone with it.
_CONFINE = """
mount=$1 chroot=$2 root=$3
shift 3
"$mount" --rbind /proc "$root/proc" && "$mount" --rbind /dev "$root/dev" &&
    exec "$chroot" "$root" "$@"
"""
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_CLEAN = {"LC_ALL": "C.UTF-8", "PATH": _PATH, "HOME": "/nonexistent"}
_THREAD_CAPS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Sandbox:
    """A folder that the programs of an environment see as the whole machine, where that is allowed.

    Parameters
    ----------
    root : Path
        Holds the environment, and what else the programs are to see; without links in its path.

    Attributes
    ----------
    alone : bool
        Whether the programs see nothing but the folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.alone = False
        self.alone = _furnish(root) and self._can_confine()

    def path(self, inside: str) -> str:
        """Translate a path below the root to what programs in the sandbox call it.

        Parameters
        ----------
        inside : str
            Path relative to the root.

        Returns
        -------
        str
        """
        return f"/{inside}" if self.alone else str(self._root / inside)

    def run(
        self,
        command: List[str],
        variables: Optional[Mapping[str, str]] = None,
        text: Optional[str] = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program, ended after 300 s; a code of -1 where it did not start or end.

        Parameters
        ----------
        command : list of str
            Paths as `path` gives them.
        variables : mapping of str to str, optional
            Its whole environment, instead of one with next to nothing in it.
        text : str, optional
            For its standard input.

        Returns
        -------
        subprocess.CompletedProcess
            Its exit status, standard output and standard error.
        """
        clean = variables or {**_CLEAN, **dict.fromkeys(_THREAD_CAPS, "1")}
        if self.alone:
            command = [*self._confined(), *command]
        return _started(command, clean, text)

    def close(self) -> None:
        """Remove what was put beside the environment; fails where something is still mounted."""
        if self.alone:
            (self._root / "proc").rmdir()
            (self._root / "dev").rmdir()

    def _confined(self) -> List[str]:
        namespace = ["--mount"] if os.geteuid() == 0 else ["--mount", "--user", "--map-root-user"]
        # By their paths: what they start may have another PATH.
        unshare, sh, *others = (
            shutil.which(name, path=_PATH) or name for name in ("unshare", "sh", "mount", "chroot")
        )
        return [unshare, *namespace, "--", sh, "-c", _CONFINE, "sh", *others, str(self._root)]

    def _can_confine(self) -> bool:
        # The loader's own version needs no program in the root.
        loader = [*self._confined(), "/lib64/ld-linux-x86-64.so.2", "--version"]
        return _started(loader, _CLEAN, None).returncode == 0


def _started(
    command: List[str], variables: Mapping[str, str], text: Optional[str]
) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command, env=dict(variables), cwd="/", capture_output=True, text=True,
            input=text or "", timeout=_LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -1, "", f"no end within {_LIMIT_S} s")
    except OSError as error:
        return subprocess.CompletedProcess(command, -1, "", str(error))


def _furnish(root: Path) -> bool:
    """Put the C library's own files, and nothing else, beside the environment."""
    try:
        provided = system_libraries()
    except (OSError, subprocess.SubprocessError):
        return False
    for library, path in provided.items():
        if is_base(library):
            # The kernel looks for the loader where the executable says, which is /lib64 here.
            places = {path, Path("/lib64") / library} if library.startswith("ld-") else {path}
            for place in places:
                target = root / place.relative_to("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                target.chmod(0o755)
    for name in ("proc", "dev", "tmp"):
        (root / name).mkdir()
    return True
