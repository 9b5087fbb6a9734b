"""Write, audit, publish: a run's rows on a branch of an Iceberg table until they are checked."""

from dataclasses import replace
from typing import TYPE_CHECKING

from dai_spark.driver.schema import quoted, sql_columns, sql_text
from dai_spark.errors import TableJobError
from dai_spark.table_job.table_identity import qualified_name
from dai_spark.table_job.table_name import TableName
from dai_spark.table_job.targets.base import Target

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

__all__ = ["AuditBranch"]

_MAIN = "main"


class AuditBranch:
    """A branch that readers of the table do not see.

    Lives on the driver.  Each run makes it anew from what readers see, so rows of an earlier run
    that were never published are gone: they count for nothing, and are scored again.

    Parameters
    ----------
    target : Target
        The Iceberg table.
    name : str
    """

    def __init__(self, target: Target, name: str) -> None:
        self._target = target
        self._name = name

    @property
    def table(self) -> TableName:
        """What Spark reads and writes the branch by."""
        table = self._target.table
        branch = quoted(f"branch_{self._name}")
        return replace(
            table, text=f"{table.text}, branch {self._name}", name=f"{table.name}.{branch}"
        )

    def begin(self, schema: "StructType") -> None:
        """Make the branch as the table is now; a table that is not there is made without rows.

        Parameters
        ----------
        schema : StructType
            Of the rows to be written.
        """
        target = self._target
        if target.schema is None:
            by = ", ".join(map(quoted, target.job.partition_by))
            target.run_sql(
                f"CREATE TABLE {target.table.name} ({sql_columns(schema)}) USING iceberg"
                + (f" PARTITIONED BY ({by})" if by else "")
            )
        target.run_sql(
            f"ALTER TABLE {target.table.name} CREATE OR REPLACE BRANCH {quoted(self._name)}"
        )

    def publish(self) -> None:
        """Let the table's main branch go on to this one, and drop this one.

        Raises
        ------
        TableJobError
            Somebody has written to the table since `begin`.
        """
        target = self._target
        catalog, _, name = qualified_name(target.spark, target.table).partition(".")
        try:
            target.run_sql(
                f"CALL {quoted(catalog)}.system.fast_forward(table => {sql_text(name)}, "
                f"branch => '{_MAIN}', to => {sql_text(self._name)})"
            )
        except TableJobError as error:
            raise TableJobError(
                f"The scores are on branch {self._name} of {target.table.text} and were not "
                "published: another writer has changed the table since the run began. Run again: "
                "the branch is made anew.",
                error.details,
            ) from None
        target.run_sql(f"ALTER TABLE {target.table.name} DROP BRANCH {quoted(self._name)}")
        target.table.renew(target.spark)
