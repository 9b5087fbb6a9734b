"""Files by URI, through what the session's own tables go through.

::

    uris          read, fetch and write a file by URI
    hadoop_file   a file in any of Hadoop's file systems, by the JVM's classes
    row_file      a file that a Spark Connect server reads as a row
    file_errors   what Spark and Hadoop raise over a file, as one sentence
"""
