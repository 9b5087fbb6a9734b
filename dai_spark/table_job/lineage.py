"""Lineage: which pipeline, environment and run a row's scores come from, and a run's own record."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Sequence

from dai_spark._version import __version__

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["COLUMN", "RunRecord", "derived_run_id"]

# The struct column that every target has unless lineage is off.
COLUMN = "scoring"
# A commit's own metadata, in which others may put things too, carries the record under this key.
_KEY = "dai_spark"


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

    def to_json(self) -> str:
        """The text that goes into a commit."""
        return json.dumps({_KEY: self.__dict__}, sort_keys=True)

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
            return cls(**known)
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
    job_name: str,
    job_digest: str,
    pipeline_digest: str,
    environment_digest: str,
    version: str,
) -> str:
    """A run id that is the same whenever the same rows would be written to the same place.

    Parameters
    ----------
    job_name, job_digest, pipeline_digest, environment_digest : str
    version : str
        The source's version, and whatever else decides which rows are new.
    """
    text = json.dumps([job_name, job_digest, pipeline_digest, environment_digest, version])
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:24]
