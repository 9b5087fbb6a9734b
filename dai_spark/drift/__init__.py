"""How populations lie and how far they have moved, whoever measures them.

::

    distribution     Distribution: how the values of one column or prediction lie
    input_column     InputColumn: how one column that a pipeline reads lies
    stability_index  the population stability index of two of them
    baseline         what later rows are held against: the report of a table job
    quantile_sketch  QuantileSketch: ranks of numbers that pass once
    value_figures    ValueFigures: how numbers lie, seen batch by batch
    row_sample       RowSample: a few thousand rows, taken out of the partitions as they pass
    measured_rows    MeasuredRows: both, of the rows before and behind the pipeline
    recent_rows      how the rows lie that a server has scored lately
"""
