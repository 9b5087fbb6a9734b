"""ModelOrigin: which model of MLflow's a pipeline was taken from, for lineage and reports."""

from dataclasses import dataclass, fields
from typing import Any, Mapping, Optional

__all__ = ["ModelOrigin"]


@dataclass(frozen=True)
class ModelOrigin:
    """What the registry has said of a model; what it does not say is empty.

    Plain data, made on the driver.

    Attributes
    ----------
    uri : str
        As the user gave it, ``models:/lake.risk.late@champion``.
    name, version : str
        The registered model, and the version that `uri` led to.
    model_id, run_id : str
        The logged model, and the run that logged it.
    """

    uri: str
    name: str = ""
    version: str = ""
    model_id: str = ""
    run_id: str = ""

    @classmethod
    def from_json(cls, found: Optional[Mapping[str, Any]]) -> "Optional[ModelOrigin]":
        """Read what a record or a report says; what newer versions add is ignored.

        Parameters
        ----------
        found : mapping or None
        """
        if found is None:
            return None
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in found.items() if name in names})

    @property
    def text(self) -> str:
        """How a message names it: the URI, and the version that an alias led to."""
        is_told = not self.version or self.uri.endswith(f"/{self.version}")
        return self.uri if is_told else f"{self.uri} (version {self.version})"

    @property
    def details(self) -> str:
        """What it led to, in a line: ``late version 3, logged as m-1f.. by run 2c..``."""
        parts = []
        if self.name:
            parts.append(f"{self.name} version {self.version}")
        if self.model_id:
            parts.append(f"logged as {self.model_id}")
        if self.run_id:
            parts.append(f"by run {self.run_id}")
        return ", ".join(parts)
