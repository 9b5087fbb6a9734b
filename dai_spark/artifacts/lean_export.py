"""The lean copy of an export: all of it but the wheels of what its pipeline needs."""

import zipfile
from pathlib import Path
from typing import Iterable

from dai_spark.artifacts.export.scoring_wheel import is_read
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.host.atomic_file import replacing
from dai_spark.host.zip_entry import zip_entry

__all__ = ["lean_export"]


def lean_export(pipeline: ScoringPipeline, to: Path) -> ScoringPipeline:
    """Write an export as a zip without its dependency wheels, and return what was written.

    It is an export like any other: it has the same digest, columns and labels, and scores the same
    in the same packed environment.  Only an environment cannot be built from it.  Equal exports
    give equal bytes, whatever their layout.

    Parameters
    ----------
    pipeline : ScoringPipeline
    to : Path
        The zip to write.

    Raises
    ------
    NotAPipelineError
        A file of the export cannot be read.
    """
    _write(pipeline, [name for name in pipeline.members if is_read(name)], to)
    lean = ScoringPipeline(to)
    if lean.digest != pipeline.digest:
        # Nothing but the name of a wheel tells the version of Driverless AI.
        _write(pipeline, pipeline.members, to)
        lean = ScoringPipeline(to)
    return lean


def _write(pipeline: ScoringPipeline, members: Iterable[str], to: Path) -> None:
    with replacing(to) as aside, zipfile.ZipFile(aside, "w") as archive:
        for name in members:
            # Wheels and the summary are compressed already.
            deflate = not name.endswith((".whl", ".zip"))
            archive.writestr(zip_entry(name, mode=0o644, deflate=deflate), pipeline.read(name))
