"""Two pipelines in one server: a share of the rows to the second, or all of them in its shadow."""

import os
import signal
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from metrics_text import metrics_of, total

from dai_spark.serving.beside.shadow import difference
from dai_spark.serving.beside.split import SplitRule


def as_floats(frame):
    """Rows of float32, as JSON's numbers are compared."""
    return [{k: np.float32(v) for k, v in row.items()} for row in frame.to_dict("records")]


@pytest.fixture(scope="module")
def expected(export, second_export, own_scores, rows):
    """Each row's own answer: by which pipeline, and its scores."""
    both = [as_floats(own_scores(path, rows)) for path in (export(), second_export)]
    goes = SplitRule("tailnum", 0.4).is_second(pa.chunked_array([pa.array(rows["tailnum"])]))
    assert 5 < goes.sum() < len(rows) - 5
    assert both[0] != both[1]
    return goes, [both[int(is_second)][i] for i, is_second in enumerate(goes)], both


def test_each_row_is_answered_by_its_own_pipeline(server_of_two, records, expected):
    """In one request and one by one; the header says which; in any order."""
    goes, wanted, _ = expected
    before = metrics_of(server_of_two)
    answer = server_of_two.client.post("/predict", json=records)
    assert as_floats(pd.DataFrame(answer.json())) == wanted
    first, second = answer.headers["x-model-digest"].split(", ")
    backwards = server_of_two.client.post("/invocations", json={"instances": records[::-1]})
    assert as_floats(pd.DataFrame(backwards.json()["predictions"])) == wanted[::-1]
    for i, record in enumerate(records[:10]):
        answer = server_of_two.client.post("/predict", json=[record])
        assert answer.headers["x-model-digest"] == (second if goes[i] else first)
        assert as_floats(pd.DataFrame(answer.json())) == [wanted[i]]
    after = metrics_of(server_of_two)

    def more(name, **labels):
        return total(after, name, **labels) - total(before, name, **labels)

    n_second = int(2 * goes.sum() + goes[:10].sum())
    assert more("dai_spark_split_rows_total", pipeline="second") == n_second
    assert more("dai_spark_split_rows_total") == 2 * len(records) + 10
    assert more("dai_spark_rows_total") == 2 * len(records) + 10


def compared(server_of_two):
    """Rows by what the shadow made of them, when it has seen all that was answered."""
    limit = time.monotonic() + 30
    while True:
        found = metrics_of(server_of_two)
        if total(found, "dai_spark_shadow_rows_total") == total(found, "dai_spark_rows_total"):
            names = ("equal", "different", "failed", "passed_over")
            return {n: total(found, "dai_spark_shadow_rows_total", outcome=n) for n in names}
        assert time.monotonic() < limit, server_of_two.log.read_text()[-2000:]
        time.sleep(0.05)


def test_the_shadow_tells_how_it_differs(server_of_two, records, expected):
    """Rows that the split gave to the same pipeline are equal, the others are not."""
    _, wanted, both = expected
    before = compared(server_of_two)
    assert server_of_two.client.post("/predict", json=records).status_code == 200
    after = compared(server_of_two)
    more = {name: n_rows - before[name] for name, n_rows in after.items()}
    n_different = sum(a != b for a, b in zip(wanted, both[1]))
    assert 0 < n_different < len(records)
    n_equal = len(records) - n_different
    assert more == {"equal": n_equal, "different": n_different, "failed": 0, "passed_over": 0}
    largest = {
        dict(labels)["prediction"]: value
        for (name, labels), value in metrics_of(server_of_two).items()
        if name == "dai_spark_shadow_largest_difference"
    }
    for column, value in largest.items():
        own = max(abs(float(a[column]) - float(b[column])) for a, b in zip(wanted, both[1]))
        assert value == pytest.approx(own)
    assert "the shadow" in server_of_two.log.read_text()


def test_all_pipelines_swap_or_none(server_of_two, records, expected):
    """A second one that is broken is refused, and both old ones go on."""
    _, wanted, _ = expected
    kept = server_of_two.second.read_bytes()
    server_of_two.second.write_bytes(b"no zip")
    os.kill(server_of_two.process.pid, signal.SIGHUP)
    limit = time.monotonic() + 30
    while "the old one stays" not in server_of_two.log.read_text():
        assert time.monotonic() < limit
        time.sleep(0.05)
    server_of_two.second.write_bytes(kept)
    answer = server_of_two.client.post("/predict", json=records)
    assert as_floats(pd.DataFrame(answer.json())) == wanted
    assert total(metrics_of(server_of_two), "dai_spark_swaps_total", outcome="refused") == 1


def test_a_shadow_that_hangs_costs_no_answer(serve, export, second_export, records, own):
    """Its scorers are stopped: answers come as fast as before, and what waits is bounded."""
    import psutil

    server = serve(export(), "--shadow", second_export)
    children = {one.pid: one for one in psutil.Process(server.process.pid).children(recursive=True)}
    inner = {one.ppid() for one in children.values()}
    loaded = [pid for pid in children if pid in inner]
    assert len(loaded) >= 2
    # The shadow's sidecar began last.
    last = max(loaded, key=lambda pid: children[pid].create_time())
    for one in psutil.Process(last).children(recursive=True):
        one.suspend()
    begun = time.monotonic()
    for i in range(80):
        answer = server.client.post("/predict", json=[records[i % len(records)]])
        assert as_floats(pd.DataFrame(answer.json())) == [own[i % len(records)]]
    assert time.monotonic() - begun < 20
    found = metrics_of(server)
    assert total(found, "dai_spark_shadow_rows_total", outcome="passed_over") == 80 - 64
    assert server.end() == 0
    assert not [pid for pid in children if psutil.pid_exists(pid)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--split", "tailnum:110%", "SECOND"), "COLUMN:10%"),
        (("--split", "nowhere:10%", "SECOND"), "'nowhere' is no column"),
        (("--shadow", "FIRST"), "both pipelines are the same one"),
    ],
)
def test_what_cannot_stand_beside_is_refused(serve, export, second_export, words, told):
    """One sentence, and the server ends."""
    places = {"FIRST": export(), "SECOND": second_export}
    server = serve(export(), *(places.get(word, word) for word in words), waits=False)
    assert server.process.wait(60) in (1, 2)
    assert told in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def test_a_split_goes_by_values():
    """One value one way, whatever its type; shares are what they say; nothing goes first."""
    rule = SplitRule.of("a:b:25%")
    assert (rule.column, rule.share) == ("a:b", 0.25)
    numbers = pa.chunked_array([list(range(20_000))])
    found = rule.is_second(numbers)
    assert 0.23 < found.mean() < 0.27
    assert (found == rule.is_second(numbers.cast(pa.float64()))).all()
    assert (found[:5] == SplitRule("x", 0.25).is_second(numbers.slice(0, 5))).all()
    assert not rule.is_second(pa.chunked_array([pa.nulls(3, pa.string())])).any()
    more = SplitRule("a", 0.5).is_second(numbers)
    assert more[found].all()


def test_a_difference_is_of_bits():
    """Missing values are equal; infinite ones and labels count."""
    one = pa.table({"p": [1.0, float("nan"), 2.0, None], "label": ["a", "b", "c", "d"]})
    assert difference(one, one) == (0, {"p": 0.0})
    other = pa.table({"p": [1.5, float("nan"), 2.0, None], "label": ["a", "b", "x", "d"]})
    assert difference(one, other) == (2, {"p": 0.5})
    lost = pa.table({"p": [1.0, 1.0, 2.0, None], "more": [1, 2, 3, 4]})
    assert difference(one, lost) == (1, {"p": float("inf")})
