"""Files of rows to files of predictions, without Spark: what ``dai-spark predict`` does.

::

    score_files   the conductor: pieces of files, scored at the same time, written in their order
    input_files   files, folders and standard input as tables of the pipeline's columns
    output_file   a file of predictions, written aside and put in its place when it is whole

Large files stream: a few pieces of some megabytes are in memory at a time.  A document of JSON is
read whole, since nothing of it is sure before its end.
"""
