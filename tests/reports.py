"""A report of a run that did a bit of everything, and a page as a browser's parser takes it."""

import re
from html.parser import HTMLParser

import numpy as np

from dai_spark.drift.distribution import Distribution
from dai_spark.metrics import ScoringMetrics
from dai_spark.table_job.report.report import Report

YES = np.random.default_rng(3).beta(2, 5, size=2_000)
HOSTILE = "x\"'><script>alert(1)</script><img src=http://evil.example/x onerror=y>${7*7}{{7*7}}"


def report(**words):
    """A report of a run that did a bit of everything."""
    known = {
        "source": "lake.flights",
        "target": "lake.scores",
        "mode": "merge",
        "pipeline": "scorer.zip",
        "experiment_id": "4e86cfd8-ba96",
        "pipeline_digest": "9c1f" * 16,
        "environment": "dai-1.10.tar.zst",
        "columns": ("carrier", "distance"),
        "prediction": ("late.no", "late.yes"),
        "n_rows": 12_345,
        "preparing_s": 5.0,
        "scoring_s": 20.0,
        "metrics": ScoringMetrics(n_tasks=4, n_loads=1, load_s=2.0, starting_s=8, waiting_s=24),
        "run_id": "run-7",
        "job_name": "nightly",
        "last_run_id": "run-6",
        "n_read": 12_365,
        "n_updated": 345,
        "n_inserted": 12_000,
        "n_unchanged": 7,
        "n_quarantined": 20,
        "quarantine": "lake.bad",
        "bad_rows": (('{"carrier": "##"}', "ValueError: no such carrier"),),
        "shipping_s": 2.0,
        "writing_s": 3.0,
        "verifying_s": 2.0,
        "n_slots": 2,
        "distributions": {
            "late.no": Distribution.of(1 - YES),
            "late.yes": Distribution.of([*YES, None, float("nan")]),
        },
        "last_distributions": {"late.yes": Distribution.of(YES**1.5)},
        "example_distributions": {"late.yes": Distribution.of(YES[:15])},
        "drift_limit": 0.25,
        "verified": (100, 0),
        "environment_digest": "77aa" * 16,
        "library_version": "0.1.0",
        "scored_at": "2024-03-05 02:14:33 UTC",
        "source_version": "118",
        "high_water_mark": "2024-03-04",
    }
    return Report(**{**known, **words})


class Read(HTMLParser):
    """A page as a browser's parser takes it: elements with attributes, their nesting, the text."""

    VOID = frozenset({"meta", "link", "br", "img", "input"})

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]
