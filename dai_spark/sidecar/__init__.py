"""The sidecar: the process beside an executor's Python workers that holds the loaded scorer.

Everything in this folder runs in the pipeline's own Python (3.6 to 3.13, with the pandas and
pyarrow of its time) and travels there as source.  It imports the standard library, pandas, pyarrow,
its siblings and the pipeline, and nothing else of dai_spark.

::

    guard        what a client starts: holds the lock, writes the log, watches the executor, and
                 ends all that the sidecar and its scorers have started
    server       one process for each executor and key: loads the scorer once, takes connections
    pool         its scorer processes: forked or spawned, given connections, kept, reaped
    worker       a scorer process, from its first connection to its last
    connection   what it does on one connection: greets, reads ahead, scores, answers
    slots        how many scorers may score at the same time
    fd_passing   a connection's descriptor, from the sidecar to a scorer
    process      whether a process lives, what it has started, and how that ends
    memory       what this process takes of the machine's memory
    log          what sidecar, scorers and pipeline print, within bounds
    verdict      why the pipeline does not load here, for the tasks that come next
    atomic_file  files and folders that another process sees whole or not at all
    protocol     what is said on the socket: the contract with the client
    texts/       what leaves as text: short, valid, without the licence
    pipeline/    what touches the pipeline's own code
"""
