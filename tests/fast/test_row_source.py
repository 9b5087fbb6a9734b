"""What a caller may give to be scored, told apart."""

import sys
import types

import pyarrow as pa
import pytest

from dai_spark.errors import OptionError
from dai_spark.local.row_source import ArrowRows, FrameRows, rows_of


def test_tables_are_taken_while_another_thread_imports_pandas(monkeypatch):
    """The module is there before its names are: a server's first calls met it so."""
    table = pa.table({"x": [1.0]})
    monkeypatch.setitem(sys.modules, "pandas", types.ModuleType("pandas"))
    assert isinstance(rows_of(table), ArrowRows)
    with pytest.raises(OptionError, match="cannot be given as dict"):
        rows_of({"x": 1.0})


def test_frames_are_told_from_tables():
    """A frame's answer is a frame."""
    import pandas as pd

    assert isinstance(rows_of(pd.DataFrame({"x": [1.0]})), FrameRows)
