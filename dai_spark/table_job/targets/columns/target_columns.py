"""TargetColumns: the columns that a target gets, made of scored rows."""

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Sequence

from dai_spark.driver.schema import quoted
from dai_spark.errors import ColumnError, TableJobError
from dai_spark.table_job.lineage import COLUMN, RunRecord
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.targets.base import DELETED, Target
from dai_spark.table_job.targets.columns.names import safe_name, safe_type

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["TargetColumns"]


class TargetColumns:
    """Kept columns, predictions and lineage, under names that the target's format takes.

    Lives on the driver.

    Parameters
    ----------
    job : TableJob
    target : Target
    kept : sequence of str
        Source columns that the target gets.
    fields : sequence of str
        The pipeline's own output names.

    Attributes
    ----------
    kept : list of str
        By the source's names.
    names : list of str
        The target's names of all columns that are written.
    fields : tuple of str
    predicted : list of str
        The columns that hold predictions.

    Raises
    ------
    ColumnError
        Two columns have the same name.
    TableJobError
        The format has no structs, or two names become the same.
    """

    def __init__(
        self, job: TableJob, target: Target, kept: Sequence[str], fields: Sequence[str]
    ) -> None:
        self._job = job
        self.kept = list(kept)
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
        self._unsafe = target.unsafe
        is_struct = job.prediction_layout == "struct"
        # Fields of a struct are no columns of the target, whose spelling those have.
        self._names: Dict[str, str] = (
            {name: safe_name(name, self._unsafe) for name in fields}
            if is_struct
            else {name: target.name_of(name) for name in fields}
        )
        self._kept: Dict[str, str] = {name: target.name_of(name) for name in kept}
        self._changed = {
            old: new
            for old, new in [*self._kept.items(), *self._names.items()]
            if old.lower() != new.lower()
        }
        for what, names in (("outputs", self._names), ("columns", self._kept)):
            if len(set(names.values())) < len(names):
                alike = [old for old in names if old in self._changed]
                raise TableJobError(
                    f"{target.table.text} refuses some characters in names, and without them the "
                    f"{what} {', '.join(alike)} cannot be told apart; keep the target as an "
                    "Iceberg table or as Parquet."
                )
        self.prediction = target.name_of(job.prediction)
        self.predicted: List[str] = [self.prediction] if is_struct else list(self._names.values())
        lineage = [target.name_of(COLUMN)] if job.lineage else []
        self.names = [*self._kept.values(), *self.predicted, *lineage]
        self._check_unique(self.names)

    def _check_unique(self, names: List[str]) -> None:
        lower = [name.lower() for name in names]
        twice = sorted({name for name in names if lower.count(name.lower()) > 1})
        if twice:
            raise ColumnError(
                f"Two columns of the target would be called {', '.join(twice)}; leave the source's "
                "out (--keep), or name the prediction otherwise (--prediction)."
            )

    def tell(self, on_message: Callable[[str], None]) -> None:
        """Say which names the format refuses, and what they become.

        Parameters
        ----------
        on_message : callable
            Is not called where the format takes them all.
        """
        if self._changed:
            shown = ", ".join(f"{old} is {new}" for old, new in self._changed.items())
            on_message(f"names that the target's format refuses are made safe: {shown}")

    def select(self, scored: "DataFrame", record: RunRecord) -> "DataFrame":
        """Return kept columns, prediction and lineage of scored rows; `DELETED` where they have it.

        Parameters
        ----------
        scored : DataFrame
            Kept columns and the prediction's struct.
        record : RunRecord
            What the lineage says.
        """
        from pyspark.sql import functions as F

        made = self._kept_columns(scored)
        struct = quoted(self._job.prediction)
        if self._job.prediction_layout == "struct":
            safe = self._safe_struct(scored.schema)
            made.append(F.col(struct).cast(safe).alias(self.prediction))
        else:
            for name, safe_name in self._names.items():
                comment = {} if name == safe_name else {"comment": name}
                made.append(F.col(f"{struct}.{quoted(name)}").alias(safe_name, metadata=comment))
        if self._job.lineage:
            made.append(record.column().alias(self.names[-1]))
        if DELETED in scored.columns:
            made.append(F.col(DELETED))
        return scored.select(*made)

    def select_kept(self, rows: "DataFrame") -> "DataFrame":
        """Return the kept columns of the source's rows alone, as the target would have them.

        Parameters
        ----------
        rows : DataFrame
        """
        return rows.select(*self._kept_columns(rows))

    def _kept_columns(self, rows: "DataFrame") -> List[Any]:
        from pyspark.sql import functions as F

        made: List[Any] = []
        for name, its_name in self._kept.items():
            column, kind = F.col(quoted(name)), rows.schema[name].dataType
            safe = safe_type(kind, self._unsafe)
            if safe != kind:
                column = column.cast(safe)
            comment = {} if its_name.lower() == name.lower() else {"comment": name}
            metadata = {**(rows.schema[name].metadata or {}), **comment}
            made.append(column.alias(its_name, metadata=metadata))
        return made

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
