"""Rows as bytes: what clients and files hold as a table of the pipeline's columns, and back.

::

    row_formats       the formats by their names, media types and endings; reads and writes any
    strict_json       JSON in which nothing is passed over: no NaN, no repeated key, no lost digit
    json_rows         values of JSON as a table: records, columns and rows, or lists by name
    json_lines        a row a line
    csv_rows          CSV, whose texts are read by what the pipeline wants
    arrow_rows        Arrow streams and files, and Parquet
    few_rows          arrays of a few values, without what Arrow's own functions cost
    cells             one column's Python values in the type that the pipeline is sent
    refused_cells     the values that do not fit, many at once
    json_schema       what rows and predictions are, as JSON Schema
    split_schema      the same of columns and lists, as Odahu tells it
    prediction_texts  a prediction's values as the shortest texts that give the same bits
    prediction_bytes  a prediction as JSON, JSON Lines, CSV or Arrow

A value reaches the table as it was given, or its row, column and value are named: a text is no
number and a number no text, and a number that a float does not hold is not rounded.  What type a
column is sent in stands in `dai_spark.schema.columns`; this room adds what bytes say beside it.  A
table of JSON or CSV has one type for each of the pipeline's columns whatever its rows, so that rows
of several requests can be scored together.
"""
