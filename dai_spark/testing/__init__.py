"""Stand-ins for Driverless AI Python scoring pipelines, for tests of jobs that score with one.

A stand-in has the layout of an export and a `Scorer` with the habits of DAI's, around a small model
that is really trained.  Nothing in it is H2O's::

    from dai_spark.testing import flights_export, flights_table, license_text

    flights_export("scorer.zip", python="env/bin/python3.8")    # has LightGBM; this Python need not
    os.environ["DRIVERLESS_AI_LICENSE_KEY"] = license_text()    # the stand-in asks for one, too

The names of this module are public; the files are not:
::

    export            build_export: trains a model and writes it as an export
    flights           tables of real flights, weather and aircraft, and exports trained on them
    training_run      trains in a child process of the pipeline's Python
    dai_lines         the lines of Driverless AI, as their stand-ins differ
    side_files        the files beside the wheels in an export
    export_writers    writes zips, folders and wheels: equal contents give equal bytes
    scoring_package/  source of the stand-in's own package, for the pipeline's Python
"""

from dai_spark.testing.export import FATES, KINDS, LAYOUTS, MODELS, build_export
from dai_spark.testing.flights import (
    FLIGHT_FEATURES,
    flights_export,
    flights_table,
    planes_table,
    weather_table,
)
from dai_spark.testing.scoring_package import license_check
from dai_spark.testing.scoring_package.fates import MARK_NUMBER, MARK_TEXT, MARKS

__all__ = [
    "FATES",
    "FLIGHT_FEATURES",
    "KINDS",
    "LAYOUTS",
    "MARKS",
    "MARK_NUMBER",
    "MARK_TEXT",
    "MODELS",
    "build_export",
    "flights_export",
    "flights_table",
    "license_text",
    "planes_table",
    "weather_table",
]


def license_text(holder: str = "dai_spark tests") -> str:
    """Return a licence that stand-ins accept; it is no Driverless AI licence.

    Parameters
    ----------
    holder : str, default "dai_spark tests"
        Name in the licence.  Two holders have two texts, for tests of who may use a loaded
        pipeline.

    Returns
    -------
    str
        The licence.
    """
    return license_check.make(holder)
