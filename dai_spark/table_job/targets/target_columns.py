"""Output: the columns that a target gets, made of a scored frame."""

import re
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Sequence

from dai_spark.driver.schema import quoted
from dai_spark.errors import ColumnError, TableJobError
from dai_spark.table_job.lineage import COLUMN, RunRecord
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.targets.base import DELETED, Target

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["Output"]


class Output:
    """Brings scored rows into the columns of the target.

    Lives on the driver.

    Parameters
    ----------
    job : TableJob
    target : Target
    fields : sequence of str
        The pipeline's own output names.
    on_message : callable
        Is told, once, which names the format refuses and what they become.

    Raises
    ------
    TableJobError
        The format has no structs, or two names become the same.
    """

    def __init__(
        self,
        job: TableJob,
        target: Target,
        fields: Sequence[str],
        on_message: Callable[[str], None],
    ) -> None:
        self._job = job
        self.fields = tuple(fields)
        if job.prediction_layout == "struct" and not target.has_structs:
            raise TableJobError(
                f"{target.table.text} cannot hold a struct; give --prediction-layout flat"
                + (" and --no-lineage." if job.lineage else ".")
            )
        if job.lineage and not target.has_structs:
            raise TableJobError(
                f"{target.table.text} cannot hold the struct of lineage; give --no-lineage."
            )
        self._names: Dict[str, str] = {name: _safe(name, target.unsafe) for name in fields}
        changed = {old: new for old, new in self._names.items() if old != new}
        if len(set(self._names.values())) < len(self._names):
            raise TableJobError(
                f"{target.table.text} refuses some characters in names, and without them the "
                f"outputs {', '.join(changed)} cannot be told apart; keep the target as an Iceberg "
                "table or as Parquet."
            )
        if changed:
            shown = ", ".join(f"{old} is {new}" for old, new in changed.items())
            on_message(f"names that the target's format refuses are made safe: {shown}")

    def columns(self, kept: Sequence[str]) -> List[str]:
        """Names of all columns of the target, in order."""
        job = self._job
        predicted = (
            [job.prediction] if job.prediction_layout == "struct" else list(self._names.values())
        )
        names = [*kept, *predicted, *([COLUMN] if job.lineage else [])]
        lower = [name.lower() for name in names]
        twice = sorted({name for name in names if lower.count(name.lower()) > 1})
        if twice:
            raise ColumnError(
                f"Two columns of the target would be called {', '.join(twice)}; leave the source's "
                "out (--keep), or name the prediction otherwise (--prediction)."
            )
        return names

    def of(self, scored: "DataFrame", kept: Sequence[str], record: RunRecord) -> "DataFrame":
        """Kept columns, prediction and lineage of a scored frame; `DELETED` where it has it."""
        from pyspark.sql import functions as F

        self.columns(kept)
        made: List[Any] = [F.col(quoted(name)) for name in kept]
        struct = quoted(self._job.prediction)
        if self._job.prediction_layout == "struct":
            safe = self._safe_struct(scored.schema)
            made.append(F.col(struct).cast(safe).alias(self._job.prediction))
        else:
            for name, safe_name in self._names.items():
                comment = {} if name == safe_name else {"comment": name}
                made.append(F.col(f"{struct}.{quoted(name)}").alias(safe_name, metadata=comment))
        if self._job.lineage:
            made.append(record.column())
        if DELETED in scored.columns:
            made.append(F.col(DELETED))
        return scored.select(*made)

    def _safe_struct(self, schema: "StructType") -> "StructType":
        from pyspark.sql.types import StructField, StructType

        found: Any = schema[self._job.prediction].dataType
        fields = []
        for field in found.fields:
            safe = self._names[field.name]
            # The original stays readable, as the column's comment.
            metadata = {} if safe == field.name else {"comment": field.name}
            fields.append(StructField(safe, field.dataType, True, metadata))
        return StructType(fields)


def _safe(name: str, unsafe: str) -> str:
    return re.sub(f"[{re.escape(unsafe)}]", "_", name) if unsafe else name
