"""Answers of a task are sent to Spark at once, by what Spark's worker writes to."""

import io

from dai_spark.client.spark_hooks.worker_output import output_flush

# As in pyspark's worker: what it calls is found from below by the name and the file of this one.
WORKER = "def main(infile, outfile):\n    return list(rows())\n"


class Output(io.BytesIO):
    """A buffer that counts how often it was flushed."""

    n_flushed = 0

    def flush(self):
        self.n_flushed += 1


def rows():
    """What a body does: it flushes what Spark has written of its last batch."""
    flush = output_flush()
    for row in range(3):
        yield row
        flush()


def test_each_batch_is_flushed_in_a_worker_of_sparks():
    """Behind each batch, when Spark asks for the next one."""
    space = {"rows": rows}
    exec(compile(WORKER, "/somewhere/pyspark/worker.py", "exec"), space)
    output = Output()
    assert space["main"](None, output) == [0, 1, 2]
    assert output.n_flushed == 3


def test_nothing_is_flushed_elsewhere():
    """In a process of the user's own there is no such output."""
    assert list(rows()) == [0, 1, 2]
