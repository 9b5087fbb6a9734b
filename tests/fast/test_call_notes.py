"""What a server notes of its calls becomes metrics."""

import time

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("prometheus_client")

from prometheus_client import CollectorRegistry, generate_latest

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.drift.baseline import Baseline
from dai_spark.drift.distribution import Distribution
from dai_spark.drift.input_column import measured_column
from dai_spark.errors import OptionError
from dai_spark.inference_log.inference_log import InferenceLog
from dai_spark.inference_log.log_settings import LogSettings
from dai_spark.plan.options import ScoringOptions
from dai_spark.serving.call_notes import CallNotes

COLUMNS = {"x": PipelineColumn("x", "float32", limits=(0.0, 1.0))}


def note(notes, values, digest="d" * 64):
    """One call of so many rows."""
    notes.note(
        name="model",
        digest=digest,
        columns=COLUMNS,
        rows=pa.table({"x": pa.array(values, "float64")}),
        options=ScoringOptions(),
        request_id="r",
        scored=pa.table({"y": pa.array(values, "float32")}),
    )


def metrics(notes):
    """As Prometheus reads them, by name and labels."""
    registry = CollectorRegistry()
    registry.register(notes)
    lines = generate_latest(registry).decode().splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"
    }


def waited(notes, name):
    """The metrics, once there is one of that name."""
    deadline_s = time.monotonic() + 20
    while name not in (found := metrics(notes)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return found


def test_drift_and_the_log_are_metrics(tmp_path, monkeypatch):
    """Of the model that is served; a new one begins anew."""
    monkeypatch.setattr("dai_spark.serving.call_notes._MEASURE_EVERY_S", 0.0)
    random = np.random.default_rng(3)
    before = random.random(3000).tolist()
    baseline = Baseline({"x": measured_column(before, True, 3000)}, {"y": Distribution.of(before)})
    notes = CallNotes(InferenceLog(LogSettings(tmp_path)), baseline)
    for _ in range(10):
        note(notes, (random.random(100) + 0.5).tolist())
    found = waited(notes, 'dai_spark_input_psi{column="x"}')
    assert found['dai_spark_input_psi{column="x"}'] > 0.25
    assert found['dai_spark_prediction_psi{prediction="y"}'] > 0.25
    assert 0.3 < found['dai_spark_input_out_of_range_ratio{column="x"}'] < 0.7
    assert found['dai_spark_input_missing_ratio{column="x"}'] == 0
    assert found["dai_spark_drift_rows"] == 1000
    note(notes, [0.5], "e" * 64)
    deadline_s = time.monotonic() + 20
    while metrics(notes)["dai_spark_drift_rows"] != 1 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    found = metrics(notes)
    assert found["dai_spark_drift_rows"] == 1
    assert 'dai_spark_input_psi{column="x"}' not in found
    notes.close()
    found = metrics(notes)
    assert found['dai_spark_log_rows_total{outcome="written"}'] == 1001
    assert found['dai_spark_log_rows_total{outcome="dropped"}'] == 0
    assert found["dai_spark_log_files_total"] == 2


def test_what_is_not_asked_for_is_not_there(tmp_path):
    """Neither a thread nor a metric."""
    notes = CallNotes(watches_drift=False)
    note(notes, [0.5])
    assert metrics(notes) == {}
    notes.check_columns(("x",))
    notes.close()


def test_a_model_without_a_masked_column_is_refused(tmp_path):
    """Also one that would take another's place."""
    notes = CallNotes(InferenceLog(LogSettings(tmp_path, hashed=("z",))))
    with pytest.raises(OptionError, match="z cannot be masked"):
        notes.check_columns(("x",))
    notes.close()
