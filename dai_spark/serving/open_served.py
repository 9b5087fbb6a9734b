"""open_served: a pipeline by path or URI as a model that is ready to serve."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.local.local_plan import no_uri, plan_here
from dai_spark.local.scorer_handle import Scorer
from dai_spark.plan.chosen_files import ChosenFiles
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.request import ScoringRequest
from dai_spark.serving.call_notes import CallNotes
from dai_spark.serving.memory_fit import MemoryFit, MemoryOfScorers
from dai_spark.serving.served_model import MergeSettings, ServedModel

__all__ = ["ModelSettings", "open_served"]

_LOG = logging.getLogger("dai_spark")


@dataclass(frozen=True)
class ModelSettings:
    """What a server opens its pipelines with.

    Attributes
    ----------
    env : str, Path, PackedEnvironment or None
        None for the one that a model names, or ``DAI_SPARK_ENV``.
    license, license_file : str or None
        See `open_scorer`.
    options : ScoringOptions
        Of a call that names none.
    merging : MergeSettings
    name : str or None
        What clients call the model; by default its name in the registry, or the file's.
    notes : CallNotes or None
        Is told of each call that was answered.
    fits_memory : bool
        Whether there are no more scorers than the memory of this process's control group holds.
    sha256 : str or None
        Of the pipeline's zip, in hexadecimal: any other is refused before it is opened.
    """

    env: Union[str, Path, PackedEnvironment, None]
    merging: MergeSettings
    license: Optional[str] = field(default=None, repr=False)
    license_file: Optional[str] = None
    options: ScoringOptions = field(default_factory=ScoringOptions)
    name: Optional[str] = None
    notes: Optional[CallNotes] = None
    fits_memory: bool = False
    sha256: Optional[str] = None


def open_served(uri: str, settings: ModelSettings) -> ServedModel:
    """Load a pipeline and score its example, so that it is ready.

    Blocks for seconds: not for an event loop's own thread.

    Parameters
    ----------
    uri : str
        Where the pipeline lies; see `pipeline_at`.  Or ``models:/...``.
    settings : ModelSettings

    Raises
    ------
    DaiSparkError
        See `open_scorer`; or the pipeline cannot score its own example, or memory does not hold
        one scorer.
    """
    files = ChosenFiles.of(
        uri,
        settings.env,
        lambda name: None,
        _LOG.info,
        reads_uris=False,
        sha256=settings.sha256,
    )
    request = ScoringRequest.of(
        files.pipeline,
        files.env,
        settings.license,
        settings.license_file,
        settings.options,
        {},
        no_uri,
        no_uri,
        files.origin,
        files.logged,
    )
    scorer = Scorer(plan_here(request), settings.merging.n_scorers, None)
    try:
        scorer.warm()

        def served(merging: MergeSettings) -> ServedModel:
            return ServedModel(
                settings.name or _name_of(files, request.pipeline.path, uri),
                request.pipeline,
                scorer,
                request.options,
                merging,
                files.origin,
                settings.notes,
            )

        model = served(settings.merging)
        if settings.notes is not None:
            settings.notes.check_columns(tuple(model.columns))
        scorer.score(model.example())
        if settings.fits_memory:
            fit = _fit(scorer, settings.merging.n_scorers)
            if fit is not None and fit < settings.merging.n_scorers:
                model = served(replace(settings.merging, n_scorers=fit))
    except BaseException:
        scorer.close()
        raise
    return model


def _fit(scorer: Scorer, n_wanted: int) -> Optional[int]:
    """How many scorers memory holds; None where the system does not tell."""
    try:
        memory = MemoryOfScorers.of(*scorer.processes())
    except (OSError, KeyError, ValueError):
        return None
    fit = MemoryFit.of(n_wanted, memory)
    _LOG.info("%s", fit.text)
    return fit.n_scorers


def _name_of(files: ChosenFiles, path: Path, uri: str) -> str:
    if files.origin is None:
        return path.stem or "model"
    return files.origin.name or Path(uri).stem or "model"
