"""What touches the pipeline's own code and packages.

::

    load             constructs the scorer
    scorer           Driverless AI's `Scorer`, tamed
    trial            whether a forked copy of it can score
    surroundings     what it may change of its process, put back
    answer           what it answers, as a frame with a row for each row
    answer_columns   the columns of that frame as Arrow arrays, exactly
    frames           Arrow record batches to pandas frames, and answers back
    path_columns     columns of paths to image files
    shims/           repairs of what old packages miss
    diagnosis        where libraries are looked for, for a load that failed
    openblas         copies of OpenBLAS that reach into each other
    check_main       scores the export's example once, for `dai-spark env check`
"""
