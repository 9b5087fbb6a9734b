"""Which settings of a job go together: each pair, by the words of the command line."""

import re

from dai_spark.errors import OptionError
from dai_spark.table_job.settings.job_words import JobWords

__all__ = ["check_together"]

_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def check_together(words: JobWords) -> None:
    """Refuse settings that exclude each other, and one that wants another.

    Parameters
    ----------
    words : JobWords

    Raises
    ------
    OptionError
    """
    _check_pairs(words)
    if words.target_branch is not None and (
        _BRANCH.fullmatch(words.target_branch) is None or words.target_branch == "main"
    ):
        raise OptionError(
            f"--target-branch {words.target_branch!r} names no branch beside main; give "
            "letters, digits, - and _, such as audit."
        )
    if words.source_version and words.source_timestamp:
        raise OptionError("--source-version and --source-timestamp are both given; give one.")
    if words.incremental and words.mode not in ("append", "merge"):
        raise OptionError(
            f"--incremental {words.incremental} adds to a target, so it wants --mode append or "
            f"--mode merge, not {words.mode}."
        )
    if words.incremental in ("changes",) and words.mode != "merge":
        raise OptionError("--incremental changes updates and deletes; it wants --mode merge.")
    if words.keep is not None:
        kept = {name.lower() for name in words.keep}
        lost = [n for n in (*words.key, *words.partition_by) if n.lower() not in kept]
        if lost:
            raise OptionError(f"--keep leaves out {', '.join(lost)} of --key or --partition-by.")


def _check_pairs(words: JobWords) -> None:
    for has, name, needs, other in (
        (words.mode == "merge", "mode merge", words.key, "--key"),
        (words.incremental == "missing", "incremental missing", words.key, "--key"),
        (words.incremental == "changes", "incremental changes", words.key, "--key"),
        (words.incremental == "quarantine", "incremental quarantine", words.key, "--key"),
        (
            words.incremental == "quarantine",
            "incremental quarantine",
            words.quarantine,
            "--quarantine",
        ),
        (words.incremental == "since", "incremental since", words.since, "--since COLUMN"),
        (words.incremental == "stream", "incremental stream", words.checkpoint, "--checkpoint"),
        (words.since, "--since", words.incremental == "since", "--incremental since"),
        (words.since_mark, "--since-mark", words.since, "--incremental since"),
        (words.checkpoint, "--checkpoint", words.incremental == "stream", "--incremental stream"),
        (words.keep_running, "--stream", words.incremental == "stream", "--incremental stream"),
        (words.lookback, "--lookback", words.since, "--incremental since"),
        (
            words.lookback,
            "--lookback",
            words.key,
            "--key, by which rows that were scored before are known",
        ),
        (words.delete_missing, "--delete-missing", words.mode == "merge", "--mode merge"),
        (
            words.delete_missing,
            "--delete-missing",
            words.incremental not in ("changes", "stream"),
            "no --incremental changes, which deletes anyway, and no stream, whose batches do "
            "not tell what is gone",
        ),
        (
            words.incremental == "changes",
            "--incremental changes",
            not words.source_timestamp,
            "--source-version in place of --source-timestamp, to go on from there",
        ),
        (not words.publish, "--no-publish", words.target_branch, "--target-branch"),
        (
            words.target_branch,
            "--target-branch",
            words.incremental != "stream",
            "no --incremental stream, whose micro-batches are published one by one",
        ),
        (words.max_bad_rows, "--max-bad-rows", words.quarantine, "--quarantine"),
        (
            words.min_rows,
            "--min-rows",
            words.incremental != "stream",
            "no --incremental stream, whose micro-batches have as many rows as arrive",
        ),
        (
            words.options.group_by,
            "--group-by",
            not words.quarantine,
            "no --quarantine: rows are set aside one by one, and a group is scored whole",
        ),
        (
            words.options.group_by,
            "--group-by",
            not words.verify,
            "no --verify, which scores row by row",
        ),
        (
            words.read == "files",
            "--read files",
            words.incremental != "stream" and not words.options.group_by,
            "neither --incremental stream nor --group-by, for which Spark reads",
        ),
        (words.verify, "--verify", words.key, "--key, to find a row's input by"),
        (
            words.verify,
            "--verify",
            words.lineage or words.mode in ("fail", "overwrite"),
            "the lineage, which tells the rows that a run has written",
        ),
        (words.verify, "--verify", words.incremental != "stream", "no --incremental stream"),
    ):
        if has and not needs:
            raise OptionError(f"{name} wants {other}.")
