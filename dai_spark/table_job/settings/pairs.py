"""Pairs of settings: those that want another one, and those that exclude each other."""

import re
from typing import Any

from dai_spark.errors import OptionError

__all__ = ["check_pairs"]

_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def check_pairs(job: Any) -> None:
    """Refuse settings that exclude each other, or of which one wants another.

    Parameters
    ----------
    job : TableJob

    Raises
    ------
    OptionError
    """
    for has, name, needs, other in (
        (job.mode == "merge", "mode merge", job.key, "--key"),
        (job.incremental == "missing", "incremental missing", job.key, "--key"),
        (job.incremental == "changes", "incremental changes", job.key, "--key"),
        (job.incremental == "quarantine", "incremental quarantine", job.key, "--key"),
        (
            job.incremental == "quarantine",
            "incremental quarantine",
            job.quarantine,
            "--quarantine",
        ),
        (job.incremental == "since", "incremental since", job.since, "--since COLUMN"),
        (job.incremental == "stream", "incremental stream", job.checkpoint, "--checkpoint"),
        (job.since, "--since", job.incremental == "since", "--incremental since"),
        (job.since_mark, "--since-mark", job.since, "--incremental since"),
        (job.checkpoint, "--checkpoint", job.incremental == "stream", "--incremental stream"),
        (job.keep_running, "--stream", job.incremental == "stream", "--incremental stream"),
        (job.lookback, "--lookback", job.since, "--incremental since"),
        (
            job.lookback,
            "--lookback",
            job.key,
            "--key, by which rows that were scored before are known",
        ),
        (job.delete_missing, "--delete-missing", job.mode == "merge", "--mode merge"),
        (
            job.delete_missing,
            "--delete-missing",
            job.incremental not in ("changes", "stream"),
            "no --incremental changes, which deletes anyway, and no stream, whose batches do "
            "not tell what is gone",
        ),
        (
            job.incremental == "changes",
            "--incremental changes",
            not job.source_timestamp,
            "--source-version in place of --source-timestamp, to go on from there",
        ),
        (not job.publish, "--no-publish", job.target_branch, "--target-branch"),
        (
            job.target_branch,
            "--target-branch",
            job.incremental != "stream",
            "no --incremental stream, whose micro-batches are published one by one",
        ),
        (job.max_bad_rows, "--max-bad-rows", job.quarantine, "--quarantine"),
        (
            job.min_rows,
            "--min-rows",
            job.incremental != "stream",
            "no --incremental stream, whose micro-batches have as many rows as arrive",
        ),
        (
            job.options.group_by,
            "--group-by",
            not job.quarantine,
            "no --quarantine: rows are set aside one by one, and a group is scored whole",
        ),
        (
            job.options.group_by,
            "--group-by",
            not job.verify,
            "no --verify, which scores row by row",
        ),
        (job.verify, "--verify", job.key, "--key, to find a row's input by"),
        (
            job.verify,
            "--verify",
            job.lineage or job.mode in ("fail", "overwrite"),
            "the lineage, which tells the rows that a run has written",
        ),
        (job.verify, "--verify", job.incremental != "stream", "no --incremental stream"),
    ):
        if has and not needs:
            raise OptionError(f"{name} wants {other}.")
    if job.target_branch is not None and (
        _BRANCH.fullmatch(job.target_branch) is None or job.target_branch == "main"
    ):
        raise OptionError(
            f"--target-branch {job.target_branch!r} names no branch beside main; give "
            "letters, digits, - and _, such as audit."
        )
    if job.source_version and job.source_timestamp:
        raise OptionError("--source-version and --source-timestamp are both given; give one.")
    if job.incremental and job.mode not in ("append", "merge"):
        raise OptionError(
            f"--incremental {job.incremental} adds to a target, so it wants --mode append or "
            f"--mode merge, not {job.mode}."
        )
    if job.incremental in ("changes",) and job.mode != "merge":
        raise OptionError("--incremental changes updates and deletes; it wants --mode merge.")
    if job.keep is not None:
        kept = {name.lower() for name in job.keep}
        lost = [n for n in (*job.key, *job.partition_by) if n.lower() not in kept]
        if lost:
            raise OptionError(f"--keep leaves out {', '.join(lost)} of --key or --partition-by.")
