"""A table of flights in the suite's session, and what scores it."""

import pytest
from scopes import is_of_table_job


@pytest.fixture(scope="module", autouse=True)
def interpreted(request):
    """Spark interprets the plans of the table job's tests: they are many, and their rows are few.

    To compile each of them takes a fifth of the time.  All other tests, here and on clusters, have
    them compiled, as a user has.
    """
    if not is_of_table_job(request.path):
        yield
        return
    settings = {
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }
    conf = request.getfixturevalue("spark").conf
    for name, value in settings.items():
        conf.set(name, value)
    yield
    for name in settings:
        conf.unset(name)


@pytest.fixture(scope="session")
def flights_frame(spark, flights, tmp_path_factory):
    """The flights as a Parquet table of four files, so that a job has four tasks."""
    path = str(tmp_path_factory.mktemp("tables") / "flights")
    spark.createDataFrame(flights).repartition(4).write.parquet(path)
    return spark.read.parquet(path)


@pytest.fixture(scope="session")
def with_scorer(packed_environment, license_file):
    """The arguments that every face takes: environment and licence."""
    return {"env": packed_environment, "license_file": str(license_file)}


@pytest.fixture(scope="session")
def expected(spark, export, own_scores, flights):
    """flight_id and the pipeline's own scores, as Spark reads them: one struct a row."""
    from pyspark.sql import functions as F

    scores = own_scores(export(), flights)
    frame = spark.createDataFrame(scores.assign(flight_id=flights["flight_id"].to_numpy()))
    columns = [F.col(f"`{n}`").cast("float").alias(n) for n in scores.columns]
    return frame.select("flight_id", F.struct(*columns).alias("prediction")).cache()


@pytest.fixture(scope="session")
def score_plain(spark, with_scorer, tmp_path_factory):
    """A function that runs the table job with a pipeline of one number, ``x``, which is cheap."""
    from echo import VARIABLE, build_echo

    from dai_spark import score_table

    folder = tmp_path_factory.mktemp("plain")
    pipeline = build_echo(folder / "plain.zip", [("x", "number")])
    env_vars = {VARIABLE: str(folder / "given")}

    def run(source, target, **words):
        words = {"env_vars": env_vars, "progress": False, "spark": spark, **words}
        return score_table(pipeline, **with_scorer, source=source, target=target, **words)

    return run


@pytest.fixture(scope="session")
def mirror(tmp_path_factory):
    """The pipeline whose prediction is its input; rows with x below 0 cannot be scored."""
    from linear import build_linear

    return build_linear(tmp_path_factory.mktemp("mirror") / "mirror.zip")


@pytest.fixture
def nights(spark, mirror, with_scorer, tmp_path):
    """A function that makes a source, a target and a job by format."""
    from nights import Nights

    return lambda kind: Nights(spark, kind, tmp_path, mirror, with_scorer)


@pytest.fixture
def conf(spark):
    """A function that sets settings of the session; they are as before behind the test."""
    before = {}

    def put(**settings):
        for name, value in settings.items():
            name = name.replace("__", ".")
            before.setdefault(name, spark.conf.get(name, None))
            spark.conf.set(name, value)

    yield put
    for name, value in before.items():
        spark.conf.unset(name) if value is None else spark.conf.set(name, value)
