"""Lineage: which pipeline, environment and run a row's scores come from, and a run's own record."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from dai_spark._version import __version__
from dai_spark.registry.origin import ModelOrigin

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["COLUMN", "RunRecord", "Scope", "derived_run_id"]

# The struct column that every target has unless lineage is off.
COLUMN = "scoring"
# A commit's own metadata, in which others may put things too, carries the record under this key.
_KEY = "dai_spark"


@dataclass(frozen=True)
class Scope:
    """Which rows a run took, whatever its job is called: a mark belongs to all of this.

    Attributes
    ----------
    source : str
        The source's identity (`dai_spark.table_job.table_identity`).
    incremental : str
    where, since : str
        Empty where the job has none.
    columns : mapping of str to str
        What ``--column`` makes.
    key : tuple of str
    """

    source: str
    incremental: str = ""
    where: str = ""
    since: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    key: Tuple[str, ...] = ()

    @classmethod
    def of(cls, found: Any) -> "Optional[Scope]":
        """Read what a record says; None where it says nothing.

        Parameters
        ----------
        found : mapping or None
        """
        if found is None:
            return None
        return cls(**{**found, "key": tuple(found["key"])})

    def differences(self, other: "Scope") -> List[str]:
        """What another scope has otherwise, in words of the command line.

        Parameters
        ----------
        other : Scope
        """
        named = {
            "source": "--source",
            "incremental": "--incremental",
            "where": "--where",
            "since": "--since",
            "columns": "--column",
            "key": "--key",
        }
        mine, theirs = vars(self), vars(other)
        return [
            f"{flag} {_shown(theirs[name])}, not {_shown(mine[name])}"
            for name, flag in named.items()
            if mine[name] != theirs[name]
        ]


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        value = ", ".join(f"{name}={text}" for name, text in value.items())
    elif isinstance(value, tuple):
        value = ",".join(value)
    return f"'{value}'" if value else "none"


@dataclass(frozen=True)
class RunRecord:
    """What a commit says of the run that made it.

    Attributes
    ----------
    job_name, run_id, mode : str
    pipeline, pipeline_digest, environment_digest : str
        The experiment's id; SHA-256 of the slim pipeline and of the environment.
    source : str
    source_version : str or None
    scored_at : str
        When the run began, ISO 8601 in UTC.
    version : str
        The version of dai_spark.
    high_water_mark : str or None
        Largest value of ``--since`` that this run or an earlier one has seen, as SQL text.
    columns : sequence of str or None
        The columns that it wrote: the target's others are its own; None where they are too many.
    source_id : str or None
        Tells a table from another one that was created in its place, where the format does.
    scope : Scope or None
        Which rows the run took; None in records that say nothing of it.
    is_default_name : bool
        Whether the job has its name from the target.
    model : ModelOrigin or None
        The model of MLflow's that the pipeline was taken from.
    """

    job_name: str
    run_id: str
    mode: str
    pipeline: str
    pipeline_digest: str
    environment_digest: str
    source: str
    source_version: Optional[str] = None
    scored_at: str = field(
        default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    )
    version: str = __version__
    high_water_mark: Optional[str] = None
    columns: Optional[Sequence[str]] = None
    source_id: Optional[str] = None
    scope: Optional[Scope] = None
    is_default_name: bool = False
    model: Optional[ModelOrigin] = None

    def to_json(self) -> str:
        """The text that goes into a commit."""
        return json.dumps({_KEY: asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: Optional[str]) -> "Optional[RunRecord]":
        """Read a commit's metadata; None where it is not ours.

        Parameters
        ----------
        text : str or None
            The metadata of a commit.
        """
        try:
            found: Any = json.loads(text or "")
            fields: Mapping[str, Any] = found[_KEY]
            known: Dict[str, Any] = {
                name: fields[name] for name in cls.__dataclass_fields__ if name in fields
            }
            model = ModelOrigin.from_json(known.get("model"))
            return cls(**{**known, "scope": Scope.of(known.get("scope")), "model": model})
        except (ValueError, KeyError, TypeError):
            return None

    def column(self) -> "Column":
        """The struct column of lineage, the same in every row of the run."""
        from pyspark.sql import functions as F

        return F.struct(
            F.lit(self.pipeline).alias("pipeline"),
            F.lit(self.pipeline_digest).alias("pipeline_digest"),
            F.lit(self.environment_digest).alias("environment_digest"),
            F.lit(self.run_id).alias("run_id"),
            F.lit(datetime.fromisoformat(self.scored_at)).alias("scored_at"),
            F.lit(self.version).alias("version"),
        ).alias(COLUMN)


def derived_run_id(
    job_digest: str,
    pipeline_digest: str,
    environment_digest: str,
    version: str,
) -> str:
    """A run id that is the same whenever the same rows would be written to the same place.

    Not of the job's name, which a schedule may be given later.

    Parameters
    ----------
    job_digest, pipeline_digest, environment_digest : str
    version : str
        The source's version, and whatever else decides which rows are new.
    """
    text = json.dumps([job_digest, pipeline_digest, environment_digest, version])
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:24]
