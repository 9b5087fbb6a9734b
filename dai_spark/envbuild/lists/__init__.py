"""What the lists of an export say, line by line: requirements files and environment.yml.

Nothing is decided here and nothing is fetched: every line is kept, with its number and its file.

::

    plain_text          text of an export as it may stand in a message: no secret, no control codes
    requirement_file    a requirements file, in pip's own grammar
    environment_file    environment.yml: YAML, and conda's grammar
    export_lists        all lists of an export, those that they include among them
"""
