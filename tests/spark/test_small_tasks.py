"""A worker that has scored adds next to nothing to the tasks that come after it."""

import json

import pyarrow as pa

from dai_spark import score_dataframe


def test_a_worker_that_has_scored_is_quick_between_tasks(spark, flights, export, with_scorer):
    """What is collected and listed between tasks is little, and nothing is held back."""
    frame = spark.createDataFrame(flights.head(40)).repartition(4)
    score_dataframe(frame, export(), **with_scorer).collect()

    def look(batches):
        import gc
        import os
        import socket
        import sys
        import zipimport

        list(batches)
        frame = sys._getframe()
        while not (frame.f_code.co_name == "main" and "outfile" in frame.f_locals):
            frame = frame.f_back
        connection = socket.socket(fileno=frame.f_locals["outfile"].fileno())
        try:
            prompt = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        finally:
            connection.detach()
        found = {
            "n_frozen": gc.get_freeze_count(),
            "n_others": len(gc.get_objects()),
            "prompt": bool(prompt),
            "n_finders": sum(
                isinstance(finder, zipimport.zipimporter)
                and finder.archive in os.environ["PYTHONPATH"].split(os.pathsep)
                for finder in sys.path_importer_cache.values()
            ),
        }
        yield pa.RecordBatch.from_pylist([{"found": json.dumps(found)}])

    rows = spark.range(0, 4, 1, 4).mapInArrow(look, "found string").collect()
    found = [json.loads(row.found) for row in rows]
    # Spark may give some of these tasks to workers that have scored nothing.
    scored = [one for one in found if one["n_frozen"]]
    assert scored
    for one in scored:
        assert one["prompt"]
        assert one["n_finders"] == 0
        assert one["n_others"] < one["n_frozen"] / 4
