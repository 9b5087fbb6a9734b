"""The sidecar: the process beside an executor's Python workers that holds the loaded scorer.

Everything in this folder runs in the pipeline's own Python (3.6 to 3.13, with the pandas and
pyarrow of its time) and travels there as source.  It imports the standard library, pandas, pyarrow,
its siblings and the pipeline, and nothing else of dai_spark.

::

    server     one process an executor and key: loads the scorer once, takes connections, and
               ends with its executor
    pool       its scorer processes: forks or spawns them, gives them connections, tells their fates
    handover   a connection on its way from the one to the other
    shift      a scorer process, from its first connection to its last
    connection what it does on one: greets, reads ahead, scores, answers
    owner      the executor that a sidecar ends with
    scorer     Driverless AI's `Scorer`, tamed: its exits, noise, folders, signatures
    frames     Arrow to pandas and back
    protocol   what is said on the socket; the one file that both sides have
"""
