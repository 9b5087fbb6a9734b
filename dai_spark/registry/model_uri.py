"""ModelUri: a URI that names a model of MLflow's, taken apart."""

import re
from dataclasses import dataclass

from dai_spark.errors import OptionError
from dai_spark.host.uri import without_password

__all__ = ["ModelUri", "is_model_uri"]

_SCHEMES = ("models:/", "runs:/")
_FORMS = "models:/NAME@ALIAS, models:/NAME/VERSION, models:/m-ID or runs:/RUN/PATH"
_MODEL_ID = re.compile(r"m-[^/@]+")


def is_model_uri(pipeline: object) -> bool:
    """Whether what a caller gave as the pipeline names a model of MLflow's.

    Parameters
    ----------
    pipeline : object
        Whatever was given; only a text can be a URI.
    """
    return isinstance(pipeline, str) and pipeline.startswith(_SCHEMES)


@dataclass(frozen=True)
class ModelUri:
    """One way to name a model; fields that the form does not have are empty.

    Attributes
    ----------
    text : str
        The URI as it was given.
    name, version, alias : str
        Of a registered model: a version, or the alias that leads to one.
    model_id : str
        Of a logged model.
    run_id, path : str
        Of a run, and the model's name in it.
    """

    text: str
    name: str = ""
    version: str = ""
    alias: str = ""
    model_id: str = ""
    run_id: str = ""
    path: str = ""

    @classmethod
    def of(cls, text: str) -> "ModelUri":
        """Take a URI apart.

        Parameters
        ----------
        text : str

        Raises
        ------
        OptionError
            It has none of the forms that name one model.
        """
        scheme, _, rest = text.partition(":/")
        if rest.startswith("/"):
            raise OptionError(
                f"{without_password(text)} names a host; name the model alone "
                f"({scheme}:/...), and the host by MLFLOW_TRACKING_URI or MLFLOW_REGISTRY_URI."
            )
        if scheme == "runs":
            run_id, _, path = rest.partition("/")
            if run_id and path.strip("/"):
                return cls(text, run_id=run_id, path=path.strip("/"))
            raise _no_form(text, "lacks the run or the model's name in it")
        if _MODEL_ID.fullmatch(rest):
            return cls(text, model_id=rest)
        name, slash, version = rest.partition("/")
        if slash and name and version.isdigit():
            return cls(text, name=name, version=version)
        name, _, alias = rest.rpartition("@")
        if name and alias and "/" not in rest:
            return cls(text, name=name, alias=alias)
        if slash:
            raise _no_form(
                text,
                f"names {version!r}, which is no version (stages, which MLflow has given up, are "
                "not followed)",
            )
        raise _no_form(text, "says neither a version nor an alias")


def _no_form(text: str, why: str) -> OptionError:
    return OptionError(f"{without_password(text)} {why}; give one of {_FORMS}.")
