"""The command line ``dai-spark``; each file below is one group of commands and is thin.

::

    main                  the parser, errors on one line, exit statuses
    command               adds one command to a parser, with what all commands share
    score_table_command   ``dai-spark score-table``
    predict_command       ``dai-spark predict``
    info_command          ``dai-spark info``
    serve_command         ``dai-spark serve``
    grpc_commands         ``dai-spark grpc proto`` and ``grpc client``
    log_commands          ``dai-spark log verify``
    pipeline_commands     ``dai-spark pipeline show`` and ``pipeline push``
    env_build_commands    ``dai-spark env build`` and ``env download``
    env_commands          ``dai-spark env show``, ``env check`` and ``env cache``
    mlflow_commands       ``dai-spark mlflow log`` and the commands of versions
    gunicorn/             ``dai-spark serve`` below gunicorn
    image/                ``dai-spark image build``, and what its images run

A command parses its arguments, calls one function of the library and prints the result.  The
function is imported when the command runs, so that ``dai-spark --help`` needs neither Spark nor the
extra ``env``.
"""

from dai_spark.cli.main import main

__all__ = ["main"]
