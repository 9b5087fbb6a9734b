"""Paths of this host, and URIs that Spark must read."""

import zipfile
from pathlib import Path

import pytest
from archives import archive as archive_of

from dai_spark.artifacts.license import License, read_license
from dai_spark.driver.filesystem.file_errors import as_ours
from dai_spark.errors import LicenseError, OptionError, ShippingError
from dai_spark.host import uri
from dai_spark.host.uri import is_uri, local_path
from dai_spark.plan.request import ScoringRequest


@pytest.mark.parametrize(
    "text",
    [
        "s3a://bucket/scorer.zip",
        "abfss://c@account.dfs.core.windows.net/scorer.zip",
        "hdfs:///models/scorer.zip",
        "dbfs:/models/scorer.zip",
        "/Volumes/main/models/files/scorer.zip",
    ],
)
def test_what_spark_must_read_is_a_uri(text):
    """A scheme other than file, with or without a host, and a volume that is not mounted here."""
    assert is_uri(text)


@pytest.mark.parametrize(
    "text",
    ["scorer.zip", "/data/scorer.zip", "~/scorer.zip", "a:b", "C:/x", "file:/data/x", "dai-1.10"],
)
def test_what_this_host_has_is_no_uri(text):
    """Plain paths, names of archives, and file URIs."""
    assert not is_uri(text)


def test_a_volume_that_is_mounted_is_a_path(tmp_path, monkeypatch):
    """On Databricks' own drivers volumes are folders, and nothing is copied."""
    monkeypatch.setattr(uri, "_VOLUMES", f"{tmp_path}/")
    assert is_uri(f"{tmp_path}/scorer.zip")
    (tmp_path / "scorer.zip").touch()
    assert not is_uri(f"{tmp_path}/scorer.zip")


def test_file_uris_name_paths(tmp_path):
    """One slash or three, characters as they stand, or as the web writes them."""
    assert local_path("file:/data/a.zip") == Path("/data/a.zip")
    assert local_path("file:///data/a#b?c.zip") == Path("/data/a#b?c.zip")
    assert local_path("file://localhost/data/a.zip") == Path("/data/a.zip")
    there = tmp_path / "a b"
    there.touch()
    assert local_path(there.as_uri()) == there
    literal = tmp_path / "a%20b"
    literal.touch()
    assert local_path(f"file:{literal}") == literal
    assert local_path("~/a") == Path.home() / "a"


@pytest.mark.parametrize(
    ("raised", "kind", "words"),
    [
        ("java.io.FileNotFoundException: /x", ShippingError, "There is no file hdfs://h/x."),
        ("[PATH_NOT_FOUND] Path does not exist", ShippingError, "There is no file"),
        ("org...AccessControlException: Permission denied: user=a", ShippingError, "is denied"),
        ("java.nio.file.AccessDeniedException: s3a://b/x", ShippingError, "is denied"),
        (
            "java.net.ConnectException: Call From a to b failed on connection exception: "
            "java.net.ConnectException: Connection refused; For more details see:  there",
            ShippingError,
            r"cannot be reached \(Connection refused\);",
        ),
        ("java.io.IOException: broken\n\tat x", ShippingError, "cannot be read: java.io.IOExc"),
        ("UnsupportedFileSystemException: No FileSystem for scheme", OptionError, "for hdfs: "),
    ],
)
def test_what_java_raises_is_one_sentence(raised, kind, words):
    """Each cause by its own sentence, with Java's text below it."""
    with pytest.raises(kind, match=words) as caught, as_ours("hdfs://h/x", "read", None):
        raise RuntimeError(raised)
    assert caught.value.details in ("", raised)
    assert "\n" not in caught.value.message


def none_there(text):
    raise ShippingError(f"There is no file {text}.")


def test_a_licence_that_its_reader_does_not_find_is_a_licence_error():
    """Whatever a reader says becomes the one class that callers know of licences."""
    assert read_license(None, "dbfs:/license.sig", lambda _: b"abc") == License("abc")
    with pytest.raises(LicenseError, match="cannot be read: There is no file hdfs:///a"):
        read_license(None, "hdfs:///a", none_there)


def test_a_licence_is_read_from_a_file_uri(tmp_path):
    """Without Spark, as all that this host has."""
    (tmp_path / "license.sig").write_text("abc")
    assert read_license(None, f"file:{tmp_path}/license.sig", none_there) == License("abc")


def test_a_request_fetches_what_is_elsewhere_and_calls_it_by_its_uri(tmp_path):
    """Pipeline and environment are brought by the one callable, and labelled as the user knows."""
    with zipfile.ZipFile(tmp_path / "scorer.zip", "w") as archive:
        archive.writestr("scoring_x-1.0.0-py3-none-any.whl", "")
    packed = archive_of(tmp_path / "env.tar.gz")
    there = {
        "hdfs:///scorer.zip": tmp_path / "scorer.zip",
        "/Volumes/main/env.tar.gz": packed,
    }
    request = ScoringRequest.of(
        "hdfs:///scorer.zip",
        "/Volumes/main/env.tar.gz",
        "abc",
        None,
        None,
        {},
        none_there,
        there.__getitem__,
    )
    assert (request.pipeline.path, request.environment.path) == tuple(there.values())
    assert list(request.labels.values()) == list(there)


def test_a_folder_below_volumes_may_be_on_the_executors_alone(tmp_path):
    """It is not fetched: only archives are."""
    with zipfile.ZipFile(tmp_path / "scorer.zip", "w") as archive:
        archive.writestr("scoring_x-1.0.0-py3-none-any.whl", "")
    request = ScoringRequest.of(
        f"file:{tmp_path}/scorer.zip",
        "/Volumes/main/env",
        "abc",
        None,
        None,
        {},
        none_there,
        none_there,
    )
    assert request.environment.kind == "folder"
    assert not request.labels.get("pipeline")
