"""What a run did, for people and for schedulers.

::

    report        Report: the figures, as text and as JSON
    html_report   the report as one page of HTML; `page.html` is its template
    charts        the page's pictures
    check         one thing that was looked at: found, allowed
    history       the target's last runs
    outcome       how a run ended: the report's word, the exit status

    observed_distributions  how predictions lie, by Spark's expressions, as over Connect
    inputs        how the columns lie that the pipeline reads, by the same
    drift_limit   how far predictions may move
    example_rows  how the predictions of the export's own example rows lie
"""
