"""What leaves a process of the sidecar as text: short, valid, and without the licence.

::

    error_text  texts of errors, made fit to leave this process
    secret      the licence taken out of what is written
"""
