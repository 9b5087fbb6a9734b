"""gunicorn_app: what ``dai-spark serve`` serves by HTTP, as an application of ASGI.

The words of ``dai-spark serve`` stand in the variable ``DAI_SPARK_SERVE``; those that say where to
listen are gunicorn's own (``--bind``, ``--certfile``).
"""

import os
import shlex

from dai_spark.cli.serve_command import prepared_of
from dai_spark.serving.asgi_app import AsgiApp
from dai_spark.serving.run_server import Prepared

__all__ = ["app"]

_VARIABLE = "DAI_SPARK_SERVE"


def _prepared() -> Prepared:
    from dai_spark.cli.main import _parser

    words = shlex.split(os.environ.get(_VARIABLE, ""))
    return prepared_of(_parser().parse_args(["serve", *words]))


app = AsgiApp(_prepared)
