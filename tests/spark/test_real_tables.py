"""Real tables scored four ways, each read back and compared with the pipeline's own scores."""

import hashlib

import numpy as np
import pytest
import real_tables
from pyspark.sql import functions as F

from dai_spark import score_dataframe, score_table, score_udf
from dai_spark.testing import build_export

LONG = [
    pytest.param(name, marks=pytest.mark.long) for name in real_tables.TABLES if name != "riots"
]


@pytest.fixture(scope="module", params=["riots", *LONG])
def real(request, spark, pipeline_python, own_scores, tmp_path_factory):
    """A table, the pipeline that was trained on it, and that pipeline's own scores by row."""
    (packages,) = (pipeline_python.parent.parent / "lib").glob("python3.*/site-packages")
    table = real_tables.TABLES[request.param](packages)
    path = tmp_path_factory.mktemp("real") / "scorer.zip"
    build_export(
        path, table.rows, table.target, kind=table.kind, python=pipeline_python, n_trees=20
    )
    own = own_scores(path, table.rows.drop(columns=table.target))
    assert own.shape[1] == table.rows[table.target].nunique()
    assert own.to_numpy().std() > 0.05
    return real_tables.as_spark(spark, table).cache(), path, own


def assert_own(found, own):
    """Rows of row and prediction, in any order, are the pipeline's own scores, bit for bit."""
    rows = found.select("row", "prediction.*").toPandas().sort_values("row")
    assert rows["row"].tolist() == list(range(len(own)))
    np.testing.assert_array_equal(rows.drop(columns="row").to_numpy("float32"), own.to_numpy())
    return list(rows.drop(columns="row"))


def test_as_a_function_of_columns(real, with_scorer):
    """`score_udf`, its columns found by name."""
    frame, path, own = real
    score = score_udf(path, **with_scorer)
    scored = frame.withColumn("prediction", score(F.struct("*")))
    assert assert_own(scored, own) == list(own)


def test_as_a_data_frame(real, with_scorer):
    """`score_dataframe`, in small batches."""
    frame, path, own = real
    scored = score_dataframe(frame, path, **with_scorer, keep=["row"], batch_rows=37)
    assert assert_own(scored, own) == list(own)


@pytest.mark.parametrize("kind", ["delta", pytest.param("iceberg", marks=pytest.mark.long)])
def test_as_a_job(spark, real, with_scorer, tmp_path, kind):
    """`score_table` from a table of that format to another, with rows scored again to verify."""
    frame, path, own = real
    name = "r" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]
    source, target = f"parquet:{tmp_path}/source", f"delta:{tmp_path}/target"
    if kind == "iceberg":
        spark.sql("CREATE NAMESPACE IF NOT EXISTS ice.db")
        source, target = f"ice.db.{name}_source", f"ice.db.{name}"
        frame.writeTo(source).using("iceberg").create()
    else:
        frame.write.parquet(f"{tmp_path}/source")
    words = {"source": source, "target": target, "keep": ["row"], "key": ["row"], "verify": 5}
    report = score_table(path, **with_scorer, spark=spark, progress=False, **words)
    assert report.n_written == len(own)
    assert report.verified == (5, 0)
    found = (
        spark.table(target)
        if kind == "iceberg"
        else spark.read.format(kind).load(f"{tmp_path}/target")
    )
    assert_own(found, own)
