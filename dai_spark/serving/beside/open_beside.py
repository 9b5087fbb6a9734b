"""open_beside: a server's pipelines, opened together, so that all of them swap or none."""

from dataclasses import dataclass, field, replace
from typing import Any, Hashable, Optional, Tuple

from dai_spark.registry.pipeline_place import state_of
from dai_spark.serving.beside.shadow import Shadow, ShadowCounts
from dai_spark.serving.beside.split import Split, SplitCounts, SplitRule
from dai_spark.serving.open_served import ModelSettings, open_served
from dai_spark.serving.served_model import ServedModel

__all__ = ["Beside", "open_beside"]


@dataclass(frozen=True)
class Beside:
    """What scores beside the pipeline that is served.

    Attributes
    ----------
    shadow : str or None
        Path or URI of the pipeline that is compared.
    split : tuple of SplitRule and str, or None
        Which rows are answered by which second pipeline.
    shadow_counts : ShadowCounts
    split_counts : SplitCounts
    """

    shadow: Optional[str] = None
    split: Optional[Tuple[SplitRule, str]] = None
    shadow_counts: ShadowCounts = field(default_factory=ShadowCounts)
    split_counts: SplitCounts = field(default_factory=SplitCounts)

    def state(self) -> Hashable:
        """What differs when one of them is another one now; see `state_of`."""
        uris = [self.shadow, None if self.split is None else self.split[1]]
        return tuple(None if uri is None else state_of(uri) for uri in uris)

    def collectors(self) -> Tuple[Any, ...]:
        """Of metrics."""
        found = [(self.shadow, self.shadow_counts), (self.split, self.split_counts)]
        return tuple(counts for asked, counts in found if asked is not None)


def open_beside(uri: str, settings: ModelSettings, beside: Beside) -> ServedModel:
    """Load a pipeline, and those that score beside it; blocks.

    Parameters
    ----------
    uri : str
    settings : ModelSettings
    beside : Beside

    Raises
    ------
    DaiSparkError
        One of them does not load, or does not go with the first.
    """
    model = open_served(uri, settings)
    try:
        if beside.split is not None:
            rule, second_uri = beside.split
            # Drift is that of the first: rows of two pipelines are two populations.
            notes = None if settings.notes is None else settings.notes.without_drift()
            second = open_served(second_uri, replace(settings, name=None, notes=notes, sha256=None))
            model.keep(second)
            model.split = Split(rule, model, second, beside.split_counts)
        if beside.shadow is not None:
            merging = replace(settings.merging, n_scorers=1)
            alone = replace(settings, name=None, notes=None, merging=merging, sha256=None)
            second = open_served(beside.shadow, alone)
            model.keep(second)
            model.shadow = Shadow(model, second, beside.shadow_counts)
    except BaseException:
        model.abort()
        raise
    return model
