"""Commits: what a table's kept history says of the runs whose rows it holds now."""

from dataclasses import dataclass
from typing import Callable, Optional, Tuple

from dai_spark.table_job.lineage import RunRecord

__all__ = ["REPLACING", "Commit", "Commits"]

# Modes of ours that take the place of rows that were there.
REPLACING = ("overwrite", "overwrite-partitions")


@dataclass(frozen=True)
class Commit:
    """A commit that the table's present state stands on.

    Attributes
    ----------
    record : RunRecord or None
        None where it is no run of ours.
    may_remove_rows : bool
        Whether rows that were there before may be gone behind it.
    """

    record: Optional[RunRecord] = None
    may_remove_rows: bool = False


@dataclass(frozen=True)
class Commits:
    """Commits newest first, without those that arrange files anew and change no row.

    Commits of other branches, and those that were restored or rolled back, are left out: the table
    holds nothing of them.

    Attributes
    ----------
    known : tuple of Commit
    are_all : bool
        Whether they reach back to the table's first one: maintenance drops old ones.
    undone : tuple of RunRecord
        Runs that the table no longer stands on, as far as they are kept.
    """

    known: Tuple[Commit, ...] = ()
    are_all: bool = True
    undone: Tuple[RunRecord, ...] = ()

    @property
    def records(self) -> "Tuple[Optional[RunRecord], ...]":
        """The record of each; None where it is no run of ours."""
        return tuple(commit.record for commit in self.known)

    def newest(self, fits: Callable[[RunRecord], bool]) -> "Optional[Tuple[RunRecord, bool]]":
        """The newest record of a kind, and whether a later commit may have removed its rows.

        Parameters
        ----------
        fits : callable
            Whether a record is of that kind.
        """
        may_be_gone = False
        for commit in self.known:
            if commit.record is not None and fits(commit.record):
                return commit.record, may_be_gone
            may_be_gone = may_be_gone or commit.may_remove_rows
        return None
