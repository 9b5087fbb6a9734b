"""Files that are replaced: whole, or not at all."""

import pytest

from dai_spark.host.atomic_file import replacing, write_atomically


def test_a_file_is_replaced_when_all_is_written(tmp_path):
    """Readers see the old content until the end, and nothing is left beside the new one."""
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file(tmp_path, error):
    """Whatever ends the writing: the old content stays, and no part of the new one."""
    path = tmp_path / "file"
    path.write_text("old")

    def write():
        with replacing(path) as beside:
            beside.write_text("half of it")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_remembered_is_the_owners_alone(tmp_path):
    """The file has no rights for others from its first byte on."""
    path = tmp_path / "file"
    write_atomically(path, b"content")
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o600
