"""A table as its owner treats it over a year, by kind: what each format has a statement for."""

import shutil
from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple
from uuid import uuid4

KINDS = ("delta", "iceberg", "files", "catalog")
# Columns of a source: a row's id, its partition, when it came or was changed last, and its value.
Row = Tuple[int, int, int, float]
_COLUMNS = "id BIGINT, p INT, t BIGINT, x DOUBLE"
_VACUUM = {
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
    # So many tasks a vacuum has, ten thousand by default.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
}


class LivingTable:
    """A table of one of `KINDS`, a source or a target, and what its owner does to it.

    ``files`` is Parquet at a path, ``catalog`` a Parquet table of Spark's own catalog: both have no
    log, so that to change a row is to write all rows again.
    """

    def __init__(self, spark: Any, kind: str, folder: Path) -> None:
        self.spark, self.kind = spark, kind
        self.name = f"t{uuid4().hex[:12]}"
        self.path = f"{folder}/{self.name}"
        self.has_log = kind in ("delta", "iceberg")
        self.text = {
            "delta": f"delta:{self.path}",
            "iceberg": f"ice.db.{self.name}",
            "files": f"parquet:{self.path}",
            "catalog": self.name,
        }[kind]
        names = {"delta": f"delta.`{self.path}`", "files": f"parquet.`{self.path}`"}
        self.sql_name = names.get(kind, self.text)
        self.drop()

    def make(self, rows: Sequence[Row]) -> None:
        """Make it as a source with these rows, which is not there."""
        if self.kind == "delta":
            feed = "TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')"
            self.sql(f"CREATE TABLE {self.sql_name} ({_COLUMNS}) USING delta {feed}")
        elif self.kind == "iceberg":
            self.sql(f"CREATE TABLE {self.text} ({_COLUMNS}) USING iceberg")
        elif self.kind == "catalog":
            self.sql(f"CREATE TABLE {self.text} ({_COLUMNS}) USING parquet")
        self.insert(rows)

    def drop(self) -> None:
        """Remove it with its files."""
        if self.kind in ("delta", "files"):
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.sql(f"DROP TABLE IF EXISTS {self.text}" + " PURGE" * (self.kind == "iceberg"))

    def exists(self) -> bool:
        """Whether it is there."""
        if self.kind in ("delta", "files"):
            # A folder without files is what a run leaves that was killed before it moved any.
            return any(Path(self.path).rglob("*.parquet")) or Path(self.path, "_delta_log").exists()
        return bool(self.spark.catalog.tableExists(self.text))

    def sql(self, text: str) -> List[Any]:
        """Run a statement; its rows."""
        return list(self.spark.sql(text).collect())

    def read(self) -> Any:
        """Its rows now."""
        if self.kind == "catalog":
            self.spark.catalog.refreshTable(self.text)
        elif self.kind == "files":
            return self.spark.read.parquet(self.path)
        return self.spark.sql(f"SELECT * FROM {self.sql_name}")

    # -- rows -----------------------------------------------------------------------------------

    def _frame(self, rows: Sequence[Row]) -> Any:
        frame = self.spark.sql(_select(rows))
        if self.exists():
            # Columns that were added meanwhile are null.
            for field in self.read().schema.fields:
                if field.name not in frame.columns:
                    frame = frame.selectExpr("*", f"CAST(NULL AS STRING) AS {field.name}")
        return frame

    def insert(self, rows: Sequence[Row]) -> None:
        """Add rows in one commit."""
        frame = self._frame(rows)
        if self.kind in ("delta", "files"):
            written = "delta" if self.kind == "delta" else "parquet"
            frame.write.format(written).mode("append").save(self.path)
        elif self.kind == "iceberg":
            frame.writeTo(self.text).append()
        else:
            frame.write.insertInto(self.text)

    def update(self, rows: Sequence[Row], there: Sequence[Row]) -> None:
        """Give rows new values; `there` are all rows afterwards."""
        if not self.has_log:
            return self._rewrite(there)
        self.sql(
            f"MERGE INTO {self.sql_name} a USING ({_select(rows)}) b ON a.id = b.id "
            "WHEN MATCHED THEN UPDATE SET p = b.p, t = b.t, x = b.x"
        )
        return None

    def delete(self, ids: Sequence[int], there: Sequence[Row]) -> None:
        """Take rows away; `there` are all rows afterwards."""
        if not self.has_log:
            return self._rewrite(there)
        self.sql(f"DELETE FROM {self.sql_name} WHERE id IN ({', '.join(map(str, ids))})")
        return None

    def _rewrite(self, rows: Sequence[Row]) -> None:
        # Not from the table itself, which Spark would read while it writes.
        frame = self._frame(rows)
        if self.kind == "files":
            frame.write.mode("overwrite").parquet(self.path)
        else:
            frame.write.insertInto(self.text, overwrite=True)

    # -- maintenance ----------------------------------------------------------------------------

    def add_column(self, name: str) -> None:
        """Add a column of text, at the end."""
        if self.kind == "files":
            return
        self.sql(f"ALTER TABLE {self.sql_name} ADD COLUMNS ({name} STRING)")

    def compact(self) -> None:
        """Arrange its files anew; no row changes."""
        if self.kind == "delta":
            self.sql(f"OPTIMIZE {self.sql_name}")
        elif self.kind == "iceberg":
            options = "options => map('rewrite-all', 'true')"
            self.sql(f"CALL ice.system.rewrite_data_files(table => 'db.{self.name}', {options})")

    def expire(self) -> None:
        """Forget all versions but this one."""
        if self.kind == "delta":
            for name, value in _VACUUM.items():
                self.spark.conf.set(name, value)
            self.sql(f"VACUUM {self.sql_name} RETAIN 0 HOURS")
            for name in _VACUUM:
                self.spark.conf.unset(name)
            self._clean_log()
        elif self.kind == "iceberg":
            self.sql(
                f"CALL ice.system.expire_snapshots(table => 'db.{self.name}', "
                "older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)"
            )

    def _clean_log(self) -> None:
        """Leave what Delta's own clean-up does: a checkpoint, and the newest commit."""
        log = self.spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(
            self.spark._jsparkSession, self.path
        )
        log.update(
            False, self.spark._jvm.scala.Option.empty(), self.spark._jvm.scala.Option.empty()
        )
        version = self.version()
        log.checkpoint()
        for file in Path(self.path, "_delta_log").glob("[0-9]*.json"):
            if int(file.name.split(".")[0]) < int(version or 0):
                file.unlink()
                file.with_name(f".{file.name}.crc").unlink(missing_ok=True)

    def version(self) -> Optional[str]:
        """What to restore it by later; None where the kind has no versions."""
        if not self.has_log or not self.exists():
            return None
        if self.kind == "delta":
            rows = self.sql(f"DESCRIBE HISTORY {self.sql_name} LIMIT 1")
            return str(rows[0]["version"])
        rows = self.sql(f"SELECT snapshot_id FROM {self.text}.refs WHERE name = 'main'")
        return str(rows[0][0]) if rows else None

    def restore(self, version: str) -> bool:
        """Go back to a version; whether it was still there."""
        try:
            if self.kind == "delta":
                self.sql(f"RESTORE TABLE {self.sql_name} TO VERSION AS OF {version}")
            else:
                self.sql(f"CALL ice.system.set_current_snapshot('db.{self.name}', {version})")
        except Exception:  # noqa: BLE001 - expired or vacuumed; each format raises its own
            return False
        return True


def _select(rows: Sequence[Row]) -> str:
    values = ", ".join(f"({i}L, {p}, {t}L, {x}D)" for i, p, t, x in rows or [(0, 0, 0, 0.0)])
    return f"SELECT * FROM VALUES {values} AS v(id, p, t, x)" + ("" if rows else " WHERE false")
