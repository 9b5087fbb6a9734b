"""Files by URI, on a real HDFS: fetched once, written whole, and every refusal one sentence."""

import hashlib

import hadoop
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

# A name node, a data node and two applications; their jars come by Maven.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def hdfs(hadoop_jars, tmp_path_factory):
    """URI of an HDFS that runs in a JVM of its own, whose superuser is not the suite's user."""
    folder = tmp_path_factory.mktemp("hdfs")
    with hadoop.running("Hdfs.java", hadoop_jars, folder, "port ", HADOOP_USER_NAME="hdfs") as said:
        port = said.partition("port ")[2].split()[0]
        yield f"hdfs://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def other_export(export):
    """Another pipeline, which is put in the first one's place."""
    return export(n_trees=10)


@pytest.fixture(scope="module")
def run(
    run_program,
    hdfs,
    export,
    other_export,
    packed_environment,
    license_file,
    flights_parquet,
    fresh_cache,
):
    """One application on two executors that has nothing but URIs."""
    made = run_program(
        "uris.py",
        {
            "root": hdfs,
            "cache": fresh_cache,
            "pipeline": export(),
            "other_pipeline": other_export,
            "env": packed_environment.path,
            "license_file": license_file,
            "flights": flights_parquet,
        },
        cache=fresh_cache,
    )
    assert made.exit_code == 0, made.stderr
    return made


@pytest.fixture(scope="module")
def connect_run(run, run_program, hdfs, export, packed_environment, flights_parquet, fresh_cache):
    """A client of Spark Connect that has nothing but URIs of what `run` has put there."""
    made = run_program(
        "uris_connect.py",
        {
            "root": hdfs,
            "pipeline": export().name,
            "env": packed_environment.path.name,
            "flights": flights_parquet,
        },
        cache=fresh_cache / "connect",
        # The server that it starts finds a free port.
        SPARK_TESTING="1",
    )
    assert made.exit_code == 0, made.stderr
    return made


def scores(made, name):
    return pd.read_parquet(made.out / f"{name}.parquet").set_index("flight_id").sort_index()


@pytest.mark.parametrize("way", ["udf", "dataframe"])
def test_pipeline_environment_and_licence_by_uri_score_as_ever(run, way, own_flight_scores, export):
    """Bit for bit, and plan and errors call the pipeline by its URI."""
    assert_frame_equal(scores(run, way), own_flight_scores(export()), check_exact=True)
    assert run.findings["label"].startswith("hdfs://")


def test_a_file_is_fetched_once(run):
    """The second use finds pipeline and environment; nothing is said of fetching."""
    first = [text for text in run.findings["said"]["first"] if text.startswith("fetching hdfs:")]
    assert len(first) == 2
    assert not any("fetching" in text for text in run.findings["said"]["second"])


def test_what_was_fetched_is_whole_and_its_owners_alone(run, export, packed_environment):
    """The names are kept, files are 0600 in folders of 0700, and the licence is not on the disk."""
    fetched = run.findings["fetched"]
    sizes = {path.name: path.stat().st_size for path in (export(), packed_environment.path)}
    assert {name: one["n_bytes"] for name, one in fetched.items()} == sizes
    for one in fetched.values():
        assert one["mode"] == 0o600
        assert one["modes_above"] == [0o700] * 3
    assert run.findings["left_aside"] == []


def test_a_replaced_pipeline_is_fetched_again(run, own_flight_scores, other_export):
    """The same URI with other bytes gives the other pipeline's scores."""
    assert_frame_equal(scores(run, "replaced"), own_flight_scores(other_export), check_exact=True)
    again = [text for text in run.findings["said"]["replaced"] if text.startswith("fetching")]
    assert len(again) == 1
    assert run.findings["versions"] == 2


def test_a_report_is_written_whole_over_the_last_one(run):
    """Folders above are made, what was there is replaced, and nothing is left beside it."""
    assert run.findings["report"] == '{"n_rows": 2, "where": "Zürich"}'
    assert run.findings["report_read_by_spark"] == run.findings["report"]
    assert run.findings["beside_report"] == ["report.json"]
    assert run.findings["config"] == "mode = 'append'\n"


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("no_file", "ShippingError", ["There is no file", "models/none.zip"]),
        ("folder", "ShippingError", ["/models is a folder, where a file is expected"]),
        ("large", "ShippingError", ["MB, where a small file is expected"]),
        ("no_jar", "OptionError", ["for s3a:", "--packages org.apache.hadoop:hadoop-aws:3."]),
        ("no_scheme", "OptionError", ["no file system for htfs:"]),
        ("unreachable", "ShippingError", ["127.0.0.1:1", "cannot be reached"]),
        ("denied", "ShippingError", ["may not read", "access is denied"]),
        ("denied_write", "ShippingError", ["may not write", "access is denied"]),
        ("no_license", "LicenseError", ["The licence cannot be read: There is no file"]),
        ("no_pipeline", "ShippingError", ["There is no file", "models/none.zip"]),
    ],
)
def test_what_cannot_be_is_one_sentence(run, name, kind, words):
    """Which file, what is wrong, and what to do, within seconds."""
    error = run.findings["errors"][name]
    assert error["class"] == kind
    for text in words:
        assert text in error["message"]
    assert "\n" not in error["message"]
    assert len(error["message"]) < 300
    assert error["took_s"] < 30


def test_files_come_over_connect_as_rows(connect_run, packed_environment, license_file):
    """The environment in pieces, once, with its bytes and name; the licence without a file."""
    found = connect_run.findings

    def digest(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()

    assert found["env"] == [packed_environment.path.name, digest(packed_environment.path)]
    assert found["again"] == [True, 0]
    assert found["license"] == digest(license_file)


def test_scores_over_connect_are_the_pipelines_own(connect_run, own_flight_scores, other_export):
    """Pipeline, environment and licence on HDFS, seen by the server alone."""
    assert_frame_equal(
        scores(connect_run, "udf"), own_flight_scores(other_export), check_exact=True
    )


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("no_file", "ShippingError", "There is no file"),
        ("folder", "ShippingError", "is a folder"),
        ("one_file_folder", "ShippingError", "is a folder"),
        ("no_jar", "OptionError", "--packages org.apache.hadoop:hadoop-aws"),
        ("denied", "ShippingError", "access is denied"),
        ("write", "OptionError", "cannot be written over Spark Connect"),
    ],
)
def test_what_cannot_be_over_connect_is_one_sentence(connect_run, name, kind, words):
    """As on classic Spark, and that nothing but paths is written."""
    error = connect_run.findings["errors"][name]
    assert error["class"] == kind
    assert words in error["message"]
    assert "\n" not in error["message"]
    assert len(error["message"]) < 300
    assert connect_run.findings["written_here"] == "{}"


def test_nothing_is_left(run, connect_run, nothing_left):
    """Neither sidecars nor their files."""
    nothing_left(run)
    nothing_left(connect_run)
