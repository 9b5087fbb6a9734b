"""``mlflow.pyfunc.spark_udf`` of a logged pipeline: its scores, by the sidecar of its executor."""

import sys

import pandas as pd
import pytest

if sys.version_info < (3, 10):
    pytest.skip("MLflow has left Python 3.9.", allow_module_level=True)

from echo import VARIABLE, build_echo, last_given
from mlflow_store import imported, store_in
from processes import processes_of
from pyspark.errors import PythonException
from pyspark.sql import functions as F

from dai_spark import score_udf

mlflow = imported()
pytestmark = [
    # MLflow warns of itself, of pyspark and of its libraries.
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("error:::dai_spark"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory, license_text):
    """A store in sqlite; executors are threads of this machine, and read its files."""
    with store_in(tmp_path_factory.mktemp("mlflow"), license_text) as folder:
        yield folder


@pytest.fixture(scope="module")
def logged(store, export, packed_environment):
    """The flights' pipeline, logged."""
    import dai_spark.mlflow

    return dai_spark.mlflow.log_model(export(), packed_environment.path)


@pytest.fixture
def udf(spark, license_text):
    """A function that makes MLflow's UDF of a model."""

    def make(info, **words):
        return mlflow.pyfunc.spark_udf(
            spark,
            info.model_uri,
            env_manager="local",
            extra_env={"DRIVERLESS_AI_LICENSE_KEY": license_text},
            **words,
        )

    return make


def inputs(info):
    return [column.name for column in info.signature.inputs]


def test_it_scores_as_the_pipeline(flights_frame, expected, logged, udf):
    """By a struct of all columns and by columns, to a struct with the pipeline's names."""
    score = udf(logged)
    for call in (score(F.struct(*flights_frame.columns)), score(*inputs(logged))):
        scored = flights_frame.select("flight_id", call.alias("prediction"))
        assert scored.schema["prediction"].dataType.fieldNames() == ["late.no", "late.yes"]
        assert scored.exceptAll(expected).count() == 0
        assert scored.count() == expected.count()


def test_it_shares_the_sidecar_of_score_udf(flights_frame, logged, udf, export, with_scorer):
    """One load for both, whichever came first, and none for a worker."""
    rows = flights_frame.limit(500)
    ours = score_udf(export(), **with_scorer)
    rows.select(ours()).collect()
    before = processes_of("/sidecar/")
    rows.select(udf(logged)(*inputs(logged))).collect()
    started = [line for pid, line in processes_of("/sidecar/").items() if pid not in before]
    # Scorers may be forked for more connections; a guard and a sidecar would be two new sessions.
    assert len(started) <= 2
    assert len(guards()) == len(guards(before))


def guards(found=None):
    """Process ids of those of them whose parents are none of them: of each sidecar its guard."""
    import psutil

    found = processes_of("/sidecar/") if found is None else found
    parents = {}
    for pid in found:
        try:
            parents[pid] = psutil.Process(pid).ppid()
        except psutil.NoSuchProcess:
            continue
    return {pid for pid, parent in parents.items() if parent not in parents}


def test_params_and_what_is_none(flights_frame, logged, udf, export, own_scores, flights):
    """Contributions by a type that is given; a wrong name is refused before a task starts."""
    from mlflow.exceptions import MlflowException

    own = own_scores(export(), flights.head(50), output_margin=True)
    margin = udf(logged, params={"margin": True, "output": own.columns[0]}, result_type="float")
    rows = flights_frame.orderBy("flight_id").limit(50).coalesce(1)
    found = rows.select("flight_id", margin(F.struct(*inputs(logged))).alias("m")).toPandas()
    assert list(found.sort_values("flight_id")["m"]) == list(own.iloc[:, 0])
    with pytest.raises(MlflowException, match="did you mean contributions"):
        udf(logged, params={"contribution": True})


def test_an_error_of_a_task_is_our_sentence(flights_frame, logged, udf):
    """Among what Spark says."""
    score = udf(logged)
    wrong = flights_frame.limit(5).select(score(F.struct("month", "day")).alias("p"))
    with pytest.raises(PythonException, match=r"The frame lacks [\w, ]*minute"):
        wrong.collect()


# Columns of Spark, and what reaches the pipeline: its values as Python says them, or a refusal.
KINDS = {
    "bigint": ("cast(n as bigint)", ["float64", ["1.0", "nan", "3.0"]]),
    "int": ("cast(n as int)", ["float64", ["1.0", "nan", "3.0"]]),
    "double": ("n + 0.5d", ["float64", ["1.5", "nan", "3.5"]]),
    "float": ("cast(n as float)", ["float32", ["1.0", "nan", "3.0"]]),
    "decimal": ("cast(n as decimal(10,2))", ["float64", ["1.0", "nan", "3.0"]]),
    "boolean": ("n > 1", ["float64", ["0.0", "nan", "1.0"]]),
    "text": ("cast(n as string)", "n (the pipeline wants a number, found text"),
}


@pytest.fixture(scope="module")
def echo(store, packed_environment, tmp_path_factory):
    """The pipeline that writes down what it is given, logged, and its file."""
    import dai_spark.mlflow

    folder = tmp_path_factory.mktemp("echo")
    path = build_echo(folder / "echo.zip", [("n", "number"), ("t", "text")])
    words = {"env_vars": {VARIABLE: str(folder / "given")}}
    info = dai_spark.mlflow.log_model(path, packed_environment.path, **words)
    return info, folder / "given"


@pytest.mark.parametrize("kind", KINDS)
def test_what_reaches_the_pipeline(kind, echo, spark, udf):
    """Each type of Spark's as the pipeline wants it, with what is missing."""
    info, file = echo
    file.unlink(missing_ok=True)
    expression, expected = KINDS[kind]
    table = spark.createDataFrame(
        pd.DataFrame({"i": [1, 2, 3], "n": pd.array([1, None, 3], "Int64"), "t": ["a", "b", "c"]})
    )
    rows = table.coalesce(1).orderBy("i").selectExpr(f"{expression} as n", "t")
    call = rows.select(udf(info)(F.struct("n", "t")))
    if isinstance(expected, str):
        with pytest.raises(PythonException) as caught:
            call.collect()
        assert expected in str(caught.value)
        return
    call.collect()
    assert last_given(file)["n"] == expected
