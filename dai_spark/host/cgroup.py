"""What this process's control group leaves it of CPUs and memory: containers' limits, v1 and v2.

A process knows its group in each hierarchy (``/proc/self/cgroup``), and where the hierarchy is
mounted (``/proc/self/mountinfo``).  The limits of the groups above hold as well.
"""

import math
import os
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Tuple

__all__ = ["CpuLimit", "cpus_here", "memory_kills", "memory_limit_bytes"]

_SELF = Path("/proc/self")


class CpuLimit(NamedTuple):
    """How many CPUs this process may use.

    Attributes
    ----------
    n_cpus : int
        A part of one counts as one.
    is_of_cgroup : bool
        Whether a group's quota is less than what this process may be scheduled on.
    """

    n_cpus: int
    is_of_cgroup: bool


def cpus_here(proc: Path = _SELF) -> CpuLimit:
    """The CPUs that this process may be scheduled on, and no more than its groups' quota.

    Parameters
    ----------
    proc : Path, optional
        This process's folder in ``/proc``.
    """
    # Of cpusets, too.
    n_cpus = max(1, len(os.sched_getaffinity(0)))
    quotas = [quota for folder in _groups(proc, "cpu") for quota in _quota(folder)]
    n_of_cgroup = max(1, math.ceil(min(quotas))) if quotas else n_cpus
    return CpuLimit(min(n_cpus, n_of_cgroup), n_of_cgroup < n_cpus)


def memory_limit_bytes(proc: Path = _SELF) -> Optional[int]:
    """The least limit of memory of this process's groups; None where they have none.

    Parameters
    ----------
    proc : Path, optional
    """
    told = (
        _number(folder / name)
        for folder in _groups(proc, "memory")
        for name in ("memory.max", "memory.limit_in_bytes")
    )
    # Version 1 says that there is none by a number that no host has.
    host_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [limit for limit in told if limit is not None and limit < host_bytes]
    return min(limits) if limits else None


def memory_kills(proc: Path = _SELF) -> Optional[int]:
    """How many processes of this process's group the kernel has killed for want of memory.

    It counts before it kills.  None where it does not tell (Linux before 4.13).

    Parameters
    ----------
    proc : Path, optional
    """
    for folder in _groups(proc, "memory"):
        for name in ("memory.events", "memory.oom_control"):
            for line in _text(folder / name).splitlines():
                what, _, count = line.partition(" ")
                if what == "oom_kill" and count.isdigit():
                    return int(count)
    return None


def _quota(folder: Path) -> Iterator[float]:
    """CPUs of a group's quota; none where it has no quota."""
    words = _text(folder / "cpu.max").split()
    if len(words) == 2 and words[0] != "max":
        yield int(words[0]) / int(words[1])
    quota_us = _number(folder / "cpu.cfs_quota_us")
    period_us = _number(folder / "cpu.cfs_period_us")
    if quota_us is not None and period_us and quota_us > 0:
        yield quota_us / period_us


def _groups(proc: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's group for a controller, and of the groups above it."""
    for hierarchy, group in _memberships(proc):
        if hierarchy and controller not in hierarchy.split(","):
            continue
        for root, mount in _mounts(proc, controller if hierarchy else None):
            # In a container the mount's root is the container's own group.
            below = os.path.relpath(group, root) if _is_below(group, root) else "."
            folder = mount / below
            while True:
                yield folder
                if folder == mount or mount not in folder.parents:
                    break
                folder = folder.parent
            break


def _memberships(proc: Path) -> List[Tuple[str, str]]:
    """Controllers (empty for version 2) and group, of each hierarchy."""
    lines = [line.split(":", 2) for line in _text(proc / "cgroup").splitlines()]
    return [(words[1], words[2]) for words in lines if len(words) == 3]


def _mounts(proc: Path, controller: Optional[str]) -> Iterator[Tuple[str, Path]]:
    """Root and place of what is mounted of a controller's hierarchy; None is version 2's."""
    for line in _text(proc / "mountinfo").splitlines():
        about, _, kind = line.partition(" - ")
        fields, kinds = about.split(), kind.split()
        if len(fields) < 5 or len(kinds) < 3:
            continue
        if controller is None:
            is_meant = kinds[0] == "cgroup2"
        else:
            is_meant = kinds[0] == "cgroup" and controller in kinds[2].split(",")
        if is_meant:
            yield fields[3], Path(fields[4])


def _is_below(group: str, root: str) -> bool:
    return root == "/" or group == root or group.startswith(f"{root}/")


def _number(path: Path) -> Optional[int]:
    text = _text(path).strip()
    return int(text) if text.lstrip("-").isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
