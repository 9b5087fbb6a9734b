"""ScoringPlan: all that a task needs to score, decided on the driver, plain data."""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Dict, Mapping, Optional, Tuple

from dai_spark.artifacts.license import License
from dai_spark.artifacts.pipeline_columns import UNKNOWN, PipelineColumn
from dai_spark.plan.options import ScoringOptions

__all__ = ["Description", "ScoringPlan", "ShippedFile"]

# Of a name in a plan, before the id.
_NAME_CHARS = 40


@dataclass(frozen=True)
class ShippedFile:
    """Where a task finds the pipeline or the environment.

    Attributes
    ----------
    kind : {"spark", "path", "folder", "archive"}
        ``"spark"``: a file shipped with Spark, found through `SparkFiles`.  ``"path"``: a file on
        this host (local scoring, and Spark's local mode).  ``"folder"``: an environment that is
        unpacked already, on every host.  ``"archive"``: the name of an archive that
        ``--archives x.tar.gz#name`` has shipped and Spark has unpacked.
    name : str
    digest : str
        SHA-256 of the file, or of what tells two folders apart.
    label : str
        What an error calls it: the path that the user gave.
    """

    kind: str
    name: str
    digest: str
    label: str


@dataclass(frozen=True)
class Description:
    """What a loaded scorer says of itself, with the options of the connection that asked.

    Attributes
    ----------
    columns : tuple of str
        The columns that the pipeline uses, in its own order.
    output : tuple of (str, str)
        Name and Arrow type of each column of its answer.
    labels : tuple of str or None
        Class labels; None for a regression.
    signatures : mapping of str to list of str
        Arguments that its methods know.
    load_s, memory_bytes
        What loading took.
    versions : mapping of str to str
        Versions of Python, pandas and pyarrow in the sidecar.
    start_method : {"fork", "spawn"}
    depends_on_batch : bool
        Rows of the export's example have other scores alone than together.
    path_columns : tuple of str
        Columns of paths: what reads them is one of the pipeline's image transformers.
    """

    columns: Tuple[str, ...]
    output: Tuple[Tuple[str, str], ...]
    labels: Optional[Tuple[str, ...]]
    signatures: Mapping[str, Any]
    load_s: float
    memory_bytes: int
    versions: Mapping[str, str]
    start_method: str
    depends_on_batch: bool = False
    path_columns: Tuple[str, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Description":
        """Read the payload of a DESCRIPTION message, or a remembered one."""
        labels = data["labels"]
        return cls(
            columns=tuple(data["columns"]),
            output=tuple((name, kind) for name, kind in data["output"]),
            labels=None if labels is None else tuple(labels),
            signatures=data["signatures"],
            load_s=data["load_s"],
            memory_bytes=data["memory_bytes"],
            versions=data["versions"],
            start_method=data["start_method"],
            depends_on_batch=bool(data.get("depends_on_batch", False)),
            path_columns=tuple(data.get("path_columns", ())),
        )


@dataclass(frozen=True)
class ScoringPlan:
    """What the driver decided, for a task to follow.  Pickles; holds no handles.

    Attributes
    ----------
    pipeline, environment : ShippedFile
    interpreter : str
        The pipeline's Python, relative to the environment's folder; empty where the driver could
        not look inside (an archive that somebody else shipped).
    columns : tuple of PipelineColumn
        As the export's example declares them.
    license : License or None
        None lets the executor look on its own host.
    options : ScoringOptions
    described : Description or None
        None until the probe has answered.
    target : str or None
        Name of the target column, where the export tells it.
    """

    pipeline: ShippedFile
    environment: ShippedFile
    interpreter: str
    columns: Tuple[PipelineColumn, ...]
    license: Optional[License]
    options: ScoringOptions
    described: Optional[Description] = None
    target: Optional[str] = None

    @property
    def function_name(self) -> str:
        """What Spark's plans and pages call the function that scores: the pipeline's name and id.

        Letters, digits and underscores, since Spark writes it before brackets.
        """
        stem = self.pipeline.label.rstrip("/").rpartition("/")[2]
        words = re.findall(r"[A-Za-z0-9]+", re.sub(r"\.zip$", "", stem))
        return "_".join(["score", *words])[:_NAME_CHARS] + f"_{self.pipeline.digest[:8]}"

    def with_description(self, described: Description) -> "ScoringPlan":
        """Return the same plan with the probe's answer in it."""
        return replace(self, described=described)

    def key(self, license: Optional[License]) -> str:
        """Name of the sidecar that may serve this plan with that licence, on any executor.

        Pipeline, environment, what a loaded scorer depends on, and a keyed hash of the licence:
        nobody scores on another user's.  What only changes a call is not in it.
        """
        parts = [self.pipeline.digest, self.environment.digest, self.options.for_loading()]
        text = json.dumps(parts)
        proof = license.keyed_hash(text) if license is not None else "no licence"
        return hashlib.sha256(f"{text} {proof}".encode()).hexdigest()

    def wanted(self) -> "Dict[str, PipelineColumn]":
        """The columns that the pipeline uses, by name, in its own order.

        The type of one that the scorer uses and the export does not declare is unknown.
        """
        return self._wanted

    @cached_property
    def _wanted(self) -> "Dict[str, PipelineColumn]":
        # Kept, since every call and every batch asks for it, of some pipelines for thousands.
        declared = {column.name: column for column in self.columns}
        names = self.described.columns if self.described else tuple(declared)
        return {name: declared.get(name, PipelineColumn(name, UNKNOWN)) for name in names}

    def __getstate__(self) -> Dict[str, Any]:
        # What is kept here is made anew where the plan travels to.
        return {name: value for name, value in vars(self).items() if name != "_wanted"}
