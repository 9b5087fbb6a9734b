"""How one model follows another, and how the server ends.

::

    model_slot  the model that is served now, and how another one takes its place
    follow      a changed one takes the place of the one that is served
    drain       the server's end: requests that are there are answered, within a limit
"""
