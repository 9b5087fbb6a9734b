"""verify_log: logged rows scored again, and their bits compared."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dai_spark.errors import OptionError, VerificationError, first_line
from dai_spark.inference_log.log_file import METADATA
from dai_spark.local.lease import Limits
from dai_spark.local.scorer_handle import Scorer
from dai_spark.plan.options import ScoringOptions

__all__ = ["LogProof", "verify_log"]

_MOST_NAMED = 20


@dataclass
class LogProof:
    """What scoring a log again has shown.

    Attributes
    ----------
    n_rows : int
        That were scored again.
    n_differing : int
        Of these, with another bit.
    n_masked : int
        Rows that cannot be scored again, since columns of them are masked.
    n_other : int
        Rows of other pipelines.
    n_files : int
    differing : list of str
        The first of them: file, request, row, column, both values.
    unreadable : list of str
        Files that are no log, or damaged.
    masked : list of str
        Columns that are.
    """

    n_rows: int = 0
    n_differing: int = 0
    n_masked: int = 0
    n_other: int = 0
    n_files: int = 0
    differing: List[str] = field(default_factory=list)
    unreadable: List[str] = field(default_factory=list)
    masked: List[str] = field(default_factory=list)

    @property
    def is_proved(self) -> bool:
        """Whether rows were scored again, and all of them have the bits that were logged."""
        return self.n_rows > 0 and self.n_differing == 0 and not self.unreadable

    def text(self) -> str:
        """For people: a few lines."""
        lines = [f"{self.n_rows:,} rows of {self.n_files:,} files scored again"]
        if self.n_differing:
            lines[0] += f", {self.n_differing:,} with other scores than were logged"
            lines += [f"  {told}" for told in self.differing]
            more = self.n_differing - len(self.differing)
            lines += [f"  and {more:,} more"] if more > 0 else []
        elif self.n_rows:
            lines[0] += ", all with the bits that were logged"
        if self.n_masked:
            lines.append(
                f"{self.n_masked:,} rows cannot be scored again: {', '.join(self.masked)} of them "
                "is masked"
            )
        if self.n_other:
            lines.append(f"{self.n_other:,} rows are of other pipelines")
        lines += [f"not read: {told}" for told in self.unreadable]
        return "\n".join(lines)

    def check(self) -> None:
        """Refuse a log that was not proved.

        Raises
        ------
        VerificationError
        """
        if self.n_differing:
            raise VerificationError(
                f"{self.n_differing:,} of {self.n_rows:,} logged rows have other scores when they "
                f"are scored again: {'; '.join(self.differing[:3])}."
            )
        if self.unreadable:
            raise VerificationError(
                f"{len(self.unreadable)} files of the log cannot be read: {self.unreadable[0]}."
            )
        if not self.n_rows:
            raise VerificationError(
                "No row of the log could be scored again: "
                f"{self.n_masked:,} have masked columns, {self.n_other:,} are of other pipelines."
            )

    def to_json(self) -> Dict[str, Any]:
        """Plain data for `json`."""
        return {**vars(self), "is_proved": self.is_proved}


def verify_log(folder: Path, scorer: Scorer) -> LogProof:
    """Score all rows of a log again and compare every bit of every column.

    Parameters
    ----------
    folder : Path
        Of `dai_spark.inference_log.log_settings.LogSettings`, or a folder in it.
    scorer : Scorer
        Of the pipeline that was served; rows of others are counted.

    Raises
    ------
    OptionError
        There is no log.
    """
    paths = sorted(path for path in folder.rglob("*.parquet") if not path.name.startswith("."))
    if not paths:
        raise OptionError(f"There is no inference log in {folder}.")
    proof = LogProof()
    for path in paths:
        try:
            _verify_file(path, scorer, proof)
        except (pa.ArrowException, OSError, KeyError, json.JSONDecodeError) as error:
            proof.unreadable.append(f"{path} ({first_line(error, 200)})")
    return proof


def _verify_file(path: Path, scorer: Scorer, proof: LogProof) -> None:
    file = pq.ParquetFile(path)
    about = json.loads((file.schema_arrow.metadata or {})[METADATA])
    n_rows = file.metadata.num_rows
    plan = scorer.plan_for(ScoringOptions())
    if about["digest"] != plan.pipeline.digest:
        proof.n_other += n_rows
        return
    masked = [name for name in (*about["hashed"], *about["left_out"]) if name in plan.wanted()]
    if masked:
        proof.n_masked += n_rows
        proof.masked = sorted({*proof.masked, *masked})
        return
    proof.n_files += 1
    options = _options(about["options"])
    described = scorer.describe_for(options)
    is_by_request = described.depends_on_batch or bool(options.group_by)
    for batch in _pieces(file, is_by_request):
        table = pa.Table.from_batches([batch])
        rows, logged = (
            pa.Table.from_struct_array(table.column(n)) for n in ("input", "prediction")
        )
        again = scorer.score_with(rows, options, Limits(None, None))
        proof.n_rows += table.num_rows
        differs = np.zeros(table.num_rows, dtype=bool)
        told: List[Tuple[int, str]] = []
        for name, where in _differences(logged, again):
            for row in np.flatnonzero(where)[:_MOST_NAMED]:
                told.append((int(row), name))
            differs |= where
        proof.n_differing += int(differs.sum())
        for row, name in sorted(told)[: max(0, _MOST_NAMED - len(proof.differing))]:
            at = {key: table.column(key)[row].as_py() for key in ("request_id", "row")}
            values = [
                side.column(name)[row].as_py() if name in side.column_names else "nothing"
                for side in (logged, again)
            ]
            proof.differing.append(
                f"{path.name}, request {at['request_id']}, row {at['row']}, column {name}: "
                f"{values[0]} was logged, {values[1]} is scored"
            )


def _options(told: Dict[str, Any]) -> ScoringOptions:
    known = {name: value for name, value in told.items() if hasattr(ScoringOptions, name)}
    if known.get("contributions") is None:
        known["contributions"] = False
    for name in ("group_by", "order_by"):
        known[name] = tuple(told.get(name) or ())
    return ScoringOptions.resolve(None, known)


def _pieces(file: Any, is_by_request: bool) -> Iterator[Any]:
    """Rows as they may be scored together: as they come, or call by call."""
    if not is_by_request:
        yield from file.iter_batches(batch_size=10_000)
        return
    table = file.read().combine_chunks()
    ids = table.column("request_id").to_pylist()
    starts = [i for i, row in enumerate(table.column("row").to_pylist()) if row == 0]
    for start, end in zip(starts, [*starts[1:], len(ids)]):
        yield table.slice(start, end - start).to_batches()[0]


def _differences(logged: pa.Table, again: pa.Table) -> Iterator[Tuple[str, Any]]:
    """For each column that differs, which rows do."""
    n_rows = logged.num_rows
    for name in dict.fromkeys([*logged.column_names, *again.column_names]):
        if name not in logged.column_names or name not in again.column_names:
            yield name, np.ones(n_rows, dtype=bool)
            continue
        before, after = logged.column(name), again.column(name)
        if before.type != after.type:
            yield name, np.ones(n_rows, dtype=bool)
            continue
        where = np.array([a != b for a, b in zip(_bits(before), _bits(after))], dtype=bool).reshape(
            n_rows
        )
        if where.any():
            yield name, where


def _bits(column: pa.ChunkedArray) -> List[Any]:
    """Values with every float as its bits: NaN equals itself, and 0.0 not -0.0."""
    kind = column.type
    if pa.types.is_floating(kind):
        width = f"u{kind.bit_width // 8}"
        bits = column.fill_null(0).to_numpy().view(width)
        valid = column.is_valid().to_numpy()
        return [int(b) if v else None for b, v in zip(bits, valid)]
    if pa.types.is_map(kind):
        return [
            None
            if row is None
            else [
                (key, np.float64(value).tobytes() if value is not None else None)
                for key, value in row
            ]
            for row in column.to_pylist()
        ]
    found: List[Any] = column.to_pylist()
    return found
