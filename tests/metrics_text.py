"""Prometheus's text of a server's metrics, read by Prometheus's own parser."""

from prometheus_client.parser import text_string_to_metric_families


def metrics_of(server, **headers):
    """All samples: of a name and its labels (sorted pairs), the value."""
    answer = server.client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def total(metrics, name, **labels):
    """The sum of a metric's samples that have these labels."""
    wanted = set(labels.items())
    return sum(
        value for (found, has), value in metrics.items() if found == name and wanted <= set(has)
    )
