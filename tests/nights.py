"""A source and a target of a few rows, and the job that runs between them each night."""

from pathlib import Path
from uuid import uuid4

import pytest

from dai_spark import score_table
from dai_spark.errors import TableJobError

ROWS = "id BIGINT, x DOUBLE"


class Nights:
    """A source and a target of a few rows, and the job between them."""

    def __init__(self, spark, kind, folder, pipeline, with_scorer):
        spark.sql("CREATE NAMESPACE IF NOT EXISTS ice.db")
        name = f"s{uuid4().hex[:12]}"
        self.spark, self.kind, self._with_scorer = spark, kind, with_scorer
        self.pipeline, self.folder = pipeline, f"{folder}/{name}"
        self.source = f"ice.db.{name}" if kind == "iceberg" else f"delta:{self.folder}"
        self.target = f"ice.db.t{name}" if kind == "iceberg" else f"delta:{folder}/t{name}"
        self.table, self.scores = map(self._sql_name, (self.source, self.target))

    @staticmethod
    def _sql_name(text):
        return f"delta.`{text[6:]}`" if text.startswith("delta:") else text

    def create(self, columns=ROWS, rows="SELECT id, cast(id AS double) FROM range(6)", more=""):
        using = "iceberg" if self.kind == "iceberg" else "delta"
        feed = "" if using == "iceberg" else "TBLPROPERTIES (delta.enableChangeDataFeed = true)"
        self.sql(f"CREATE TABLE {self.table} ({columns}) USING {using} {more or feed}")
        self.sql(f"INSERT INTO {self.table} {rows}")
        return self

    def sql(self, text):
        return self.spark.sql(text).collect()

    def change(self, *texts):
        """Statements on the source, which is {}."""
        for text in texts:
            self.sql(text.format(self.table))

    def run(self, **words):
        return score_table(
            words.pop("pipeline", self.pipeline),
            **self._with_scorer,
            **{
                "spark": self.spark,
                "source": self.source,
                "target": self.target,
                "mode": "merge",
                "key": ["id"],
                "progress": False,
                **words,
            },
        )

    def refused(self, words, kind=TableJobError, dry_runs=(False,), **settings):
        """The run is refused before anything is scored; a dry run too, where `dry_runs` has it."""
        before = self.target_rows()
        found = []
        for dry_run in dry_runs:
            with pytest.raises(kind, match=words) as told:
                self.run(dry_run=dry_run, **settings)
            assert told.value.status in ("refused", "usage"), told.value.message
            found.append(told.value.message)
        assert self.target_rows() == before
        return found[-1]

    def target_rows(self):
        """Key and prediction of each row of the target; None where there is none."""
        if self.kind == "iceberg":
            if not self.spark.catalog.tableExists(self.target):
                return None
            self.spark.catalog.refreshTable(self.target)
        elif not Path(self.target[6:], "_delta_log").exists():
            return None
        rows = self.sql(f"SELECT id, prediction.y AS y FROM {self.scores}")
        return sorted((row["id"], row["y"]) for row in rows)

    def is_right(self):
        """The target holds each row of the source once, with the score of what it is now."""
        if self.kind == "iceberg":
            self.spark.catalog.refreshTable(self.source)
        rows = self.sql(f"SELECT id, cast(x AS double) AS x FROM {self.table}")
        assert self.target_rows() == sorted((row["id"], row["x"]) for row in rows)
        return True
