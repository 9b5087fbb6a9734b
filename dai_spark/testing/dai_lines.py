"""The lines of Driverless AI, as their stand-ins differ: interpreter, pins, `Scorer`.

The pins of 1.8, 1.9 and 1.10 are those that public exports of these lines show, as far as PyPI has
them; LightGBM and XGBoost travel as wheels in a real export, so here they are PyPI's.  No export of
1.11 is public: its Python (3.11) is documented, its pins are merely ones that go together.
"""

from typing import NamedTuple, Tuple

from dai_spark.errors import OptionError

__all__ = ["Line", "find_dai_line"]


class Line(NamedTuple):
    """One line of Driverless AI.

    Attributes
    ----------
    name : str
        ``"1.10"``.
    python : str
        Minor version of its Python.
    scorer_module : str
        Module of the scoring package whose `Scorer` has the signatures of that line.
    pins : tuple of str
        Its requirements.
    """

    name: str
    python: str
    scorer_module: str
    pins: Tuple[str, ...]

    @property
    def tag(self) -> str:
        """Tag of the compiled wheels in an export of this line."""
        minor = "cp" + self.python.replace(".", "")
        abi = minor + "m" if minor == "cp36" else minor
        return f"{minor}-{abi}-linux_x86_64"


_LINES = (
    Line(
        "1.8",
        "3.6",
        "scorer_1_8",
        (
            "numpy==1.18.1",
            "pandas==0.24.2",
            "scikit-learn==0.21.2",
            "scipy==1.3.1",
            "pyarrow==0.15.0",
            "datatable==0.11.1",
            "lightgbm==2.3.1",
            "xgboost==1.0.2",
            "psutil==5.6.7",
        ),
    ),
    Line(
        "1.9",
        "3.6",
        "scorer_1_9",
        (
            "numpy==1.18.5",
            "pandas==0.25.3",
            "scikit-learn==0.21.3",
            "scipy==1.3.1",
            "pyarrow==0.15.0",
            "datatable==0.11.1",
            "lightgbm==2.3.1",
            "xgboost==1.2.0",
            "psutil==5.6.7",
        ),
    ),
    Line(
        "1.10",
        "3.8",
        "scorer_1_10",
        (
            "numpy==1.22.0",
            "pandas==1.2.5",
            "scikit-learn==0.24.2",
            "scipy==1.7.0",
            "pyarrow==3.0.0",
            "datatable==1.1.0",
            "lightgbm==3.3.5",
            "xgboost-cpu==2.1.4",
            "psutil==5.8.0",
        ),
    ),
    Line(
        "1.11",
        "3.11",
        "scorer_1_10",
        (
            "numpy==1.26.4",
            "pandas==2.2.3",
            "scikit-learn==1.5.2",
            "scipy==1.13.1",
            "pyarrow==17.0.0",
            "datatable==1.1.0",
            "lightgbm==4.5.0",
            "xgboost-cpu==2.1.4",
            "psutil==6.0.0",
        ),
    ),
)


def find_dai_line(dai_version: str) -> Line:
    """Find the line of a version.

    Parameters
    ----------
    dai_version : str
        The version, ``"1.10.7.3"``.

    Returns
    -------
    Line

    Raises
    ------
    OptionError
        There is no stand-in of that line.
    """
    name = ".".join(dai_version.split(".")[:2])
    for line in _LINES:
        if line.name == name:
            return line
    raise OptionError(
        f"There is no stand-in for DAI version {dai_version!r}; "
        f"the lines that exist are {', '.join(line.name for line in _LINES)}."
    )
