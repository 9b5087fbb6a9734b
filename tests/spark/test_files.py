"""Files by URI where nothing is remote: used in place, written whole, refused in a sentence."""

import pytest
from chispa import assert_df_equality

from dai_spark import score_dataframe, score_udf
from dai_spark.driver.filesystem.uris import fetch, read_bytes, write_text
from dai_spark.errors import OptionError, PipelineNotFoundError, ShippingError


@pytest.fixture
def odd(tmp_path):
    """A file whose name holds what URIs escape."""
    path = tmp_path / "a b#1%20.txt"
    path.write_bytes(b"\x00\xffabc")
    return path


@pytest.mark.parametrize("scheme", ["", "file:", "file://", "uri"])
def test_what_is_here_is_used_in_place(spark, odd, scheme):
    """A path, and its URI however it is written: nothing is copied and nothing said."""
    text = odd.as_uri() if scheme == "uri" else f"{scheme}{odd}"
    said = []
    assert fetch(spark, text, said.append) == odd
    assert said == []
    assert read_bytes(spark, text) == b"\x00\xffabc"


def test_all_files_may_be_file_uris(
    flights_frame, export, packed_environment, license_file, expected
):
    """Pipeline, environment and licence by URI give the pipeline's own scores."""
    found = score_dataframe(
        flights_frame,
        export().as_uri(),
        packed_environment.path.as_uri(),
        license_file=license_file.as_uri(),
        keep=["flight_id"],
    )
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)


@pytest.mark.parametrize("scheme", ["", "file:"])
def test_a_report_replaces_the_last_one_and_makes_its_folder(spark, tmp_path, scheme):
    """Whole, in UTF-8, and nothing else is in the folder."""
    path = tmp_path / "reports" / "2026" / "report.json"
    write_text(spark, f"{scheme}{path}", "x" * 100)
    write_text(spark, f"{scheme}{path}", "Zürich")
    assert path.read_text(encoding="utf-8") == "Zürich"
    assert list(path.parent.iterdir()) == [path]


def test_a_report_that_cannot_be_written_leaves_nothing(spark, tmp_path):
    """A file where a folder should be, and a folder where the file should be."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(ShippingError, match="file/report.json cannot be written: "):
        write_text(spark, f"{tmp_path}/file/report.json", "x")
    with pytest.raises(ShippingError, match="folder cannot be written: Is a directory"):
        write_text(spark, f"{tmp_path}/folder", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_what_is_not_there_is_said(spark, export, packed_environment, tmp_path):
    """By each argument's own error."""
    with pytest.raises(ShippingError, match="There is no file .*/none.toml"):
        read_bytes(spark, f"file:{tmp_path}/none.toml")
    with pytest.raises(PipelineNotFoundError, match="No scoring pipeline lies at"):
        score_udf(f"file:{tmp_path}/none.zip", env=packed_environment)


def test_a_large_file_is_not_read_as_a_small_one(spark, tmp_path):
    """A gigabyte given as the licence does not go through the driver's memory."""
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(65 << 20)
    with pytest.raises(ShippingError, match="68 MB, where a small file is expected"):
        read_bytes(spark, str(path))


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("s3a://bucket/x.zip", r"--packages org\.apache\.hadoop:hadoop-aws:\d+\.\d+\.\d+\."),
        ("abfss://c@a.dfs.core.windows.net/x.zip", r"org\.apache\.hadoop:hadoop-azure:\d"),
        ("gs://bucket/x.zip", "com.google.cloud.bigdataoss:gcs-connector"),
        ("s3://bucket/x.zip", "write s3a://"),
        ("dbfs:/x.zip", "on Databricks alone"),
        ("htfs://host/x.zip", "no file system for htfs:"),
    ],
)
def test_a_missing_file_system_names_its_jar(spark, uri, words):
    """Reading, fetching and writing alike."""
    for call in (
        lambda: read_bytes(spark, uri),
        lambda: fetch(spark, uri, print),
        lambda: write_text(spark, uri, "x"),
    ):
        with pytest.raises(OptionError, match=words) as caught:
            call()
        assert "\n" not in caught.value.message
