"""score_files: files of rows scored by a handle into files of predictions."""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Deque, Iterable, Iterator, List, Optional, Sequence, Tuple

import pyarrow as pa

from dai_spark.batch_files.input_files import STANDARD, InputFile, input_files
from dai_spark.batch_files.output_file import written_file
from dai_spark.errors import DaiSparkError, OptionError, shortened
from dai_spark.local.lease import Limits
from dai_spark.local.scorer_handle import Scorer
from dai_spark.plan.options import ScoringOptions
from dai_spark.row_formats.row_formats import FORMATS, format_of_name

__all__ = ["FileJob", "score_files"]

# Pieces that are read ahead of those that are scored.
_N_AHEAD = 2


@dataclass(frozen=True)
class FileJob:
    """What is scored, and what is written.

    Attributes
    ----------
    source, target : str
        A file, a folder, or ``-``.  A file into a folder is called ``result`` there; a folder's
        files keep their names.
    from_format, to_format : str, optional
        Names of `dai_spark.row_formats.row_formats.FORMATS`; by default names of files tell, and
        the format that comes in goes out.
    json_form : str, optional
        One of `dai_spark.batch_files.output_file.JSON_FORMS`; by default Odahu's for JSON that has
        names of columns and lists of values, and records for all else.
    keep : tuple of str
        Columns to carry through.
    """

    source: str
    target: str
    from_format: Optional[str] = None
    to_format: Optional[str] = None
    json_form: Optional[str] = None
    keep: Tuple[str, ...] = ()


def score_files(
    scorer: Scorer,
    options: ScoringOptions,
    job: FileJob,
    n_scorers: int,
    on_rows: Callable[[int], None] = lambda n_rows: None,
) -> int:
    """Score files; rows out are rows in, in their order.

    Runs in a shell's process, without Spark.

    Parameters
    ----------
    scorer : Scorer
    options : ScoringOptions
    job : FileJob
    n_scorers : int
        Pieces that are scored at the same time.
    on_rows : callable
        Is told after each piece how many rows were written since the last one.

    Returns
    -------
    int
        Rows.

    Raises
    ------
    OptionError, ColumnError, ScoringError, SidecarError
        A file that was not finished is not there; those finished before it are.
    """
    inputs = input_files(job.source, job.from_format)
    # Before a row is scored, so that no file stands in another's way.
    outputs = [_output_of(one, job, len(inputs)) for one in inputs]
    targets = [path for path, _ in outputs if path is not None]
    twice = sorted({str(path) for path in targets if targets.count(path) > 1})
    if twice:
        raise OptionError(f"Several files would be written to {shortened(twice)}; rename one.")
    n_rows = 0
    with ThreadPoolExecutor(n_scorers, "dai_spark-predict") as pool:
        for one, (path, format) in zip(inputs, outputs):
            n_rows += _score_file(scorer, options, job, one, path, format, pool, n_scorers, on_rows)
    return n_rows


def _output_of(one: InputFile, job: FileJob, n_inputs: int) -> Tuple[Optional[Path], str]:
    """Where a file's predictions go, and in which format."""
    if job.target == STANDARD:
        if n_inputs > 1:
            raise OptionError(
                "The files of a folder do not fit into standard output; name a folder."
            )
        return None, job.to_format or one.format
    target = Path(job.target)
    is_folder = Path(job.source).is_dir() if job.source != STANDARD else False
    if not is_folder and not target.is_dir() and not job.target.endswith(os.sep):
        return target, job.to_format or format_of_name(target.name).name
    format = job.to_format or one.format
    ending = FORMATS[format].endings[0]
    if not is_folder:
        return target / f"result{ending}", format
    if target.is_file():
        raise OptionError(f"{target} is a file, and the files of a folder go into a folder.")
    if target.resolve() == Path(job.source).resolve():
        raise OptionError(f"{target} is the folder that is read; its files would be replaced.")
    relative = one.relative if job.to_format is None else one.relative.with_suffix(ending)
    return target / relative, format


def _score_file(
    scorer: Scorer,
    options: ScoringOptions,
    job: FileJob,
    one: InputFile,
    path: Optional[Path],
    format: str,
    pool: ThreadPoolExecutor,
    n_scorers: int,
    on_rows: Callable[[int], None],
) -> int:
    wanted = scorer.plan_for(options).wanted()
    keep = tuple(dict.fromkeys([*job.keep, *options.group_by, *options.order_by]))
    tables: Iterable[pa.Table] = one.tables(wanted, keep)
    if options.group_by:
        # Groups are whole, wherever their rows lie in the file.
        tables = iter([pa.concat_tables(list(tables))])

    def score(table: pa.Table, first_row: int) -> pa.Table:
        try:
            scored = scorer.score_with(table, options, Limits(None, None))
        except DaiSparkError as error:
            raise _placed(error, one, first_row, table.num_rows) from error
        return _with_kept(table, scored, job.keep)

    n_rows = 0
    with written_file(path, format) as output:
        is_begun = False
        for scored in _in_order(pool, n_scorers, score, tables):
            if not is_begun:
                form = job.json_form or ("odahu" if one.is_split else "records")
                output.begin(scored.schema, form)
                is_begun = True
            output.write(scored)
            n_rows += scored.num_rows
            on_rows(scored.num_rows)
    return n_rows


def _in_order(
    pool: ThreadPoolExecutor,
    n_scorers: int,
    score: Callable[[pa.Table, int], pa.Table],
    tables: Iterable[pa.Table],
) -> Iterator[pa.Table]:
    """Scored pieces in the order of the pieces, few of which are there at a time."""
    waiting: Deque[Future[pa.Table]] = deque()
    first_row = 0
    try:
        for table in tables:
            waiting.append(pool.submit(score, table, first_row))
            first_row += table.num_rows
            while len(waiting) >= n_scorers + _N_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _placed(error: DaiSparkError, one: InputFile, first_row: int, n_rows: int) -> DaiSparkError:
    """The same error with the file, and the rows that the piece has in it."""
    return type(error)(
        f"Of {one.label}, rows {first_row} to {first_row + max(n_rows, 1) - 1}: {error.message}",
        error.details,
        cause=error.cause,
    )


def _with_kept(table: pa.Table, scored: pa.Table, keep: Sequence[str]) -> pa.Table:
    clash: List[str] = [name for name in keep if name in scored.column_names]
    if clash:
        raise OptionError(
            f"The prediction has columns {shortened(clash)} itself, so columns of that name cannot "
            "be kept; rename them in the file."
        )
    for i, name in enumerate(keep):
        scored = scored.add_column(i, table.schema.field(name), table.column(name))
    return scored
