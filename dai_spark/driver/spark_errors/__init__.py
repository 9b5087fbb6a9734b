"""What Spark and the formats' libraries raise, as one sentence.

::

    causes     an error of Spark's, py4j's or Connect's as the chain of what caused it
    catalogue  what is known of them: by condition, SQLSTATE, class or words, what to say
    telling    any of them as an error of ours, its own text kept behind `--verbose`
"""
