"""ScoringTransformer: the scorer as a stage of a `pyspark.ml` Pipeline."""

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Union

from pyspark.ml import Transformer
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasPredictionCol
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.driver.dataframe import score_dataframe
from dai_spark.driver.metrics_sum import MetricsSum
from dai_spark.errors import OptionError
from dai_spark.plan.options import ScoringOptions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from typing_extensions import Unpack

    from dai_spark.plan.option_arguments import OptionArguments

__all__ = ["ScoringTransformer"]


class ScoringTransformer(
    Transformer,
    HasPredictionCol,
    DefaultParamsReadable["ScoringTransformer"],
    DefaultParamsWritable,
):
    """A stage of a `pyspark.ml` Pipeline that adds a scoring pipeline's prediction.

    Runs on the driver.  `transform` does what `score_dataframe` does: all columns are kept, and the
    struct column of the prediction is added.  It is saved and loaded as any stage, by the names of
    its files and its options.  The licence's text is not saved: a loaded stage finds the licence by
    `license_file`, or as every face does.

    Parameters
    ----------
    pipeline : str, Path or ScoringPipeline
        See `score_udf`; saved as its path.
    env : str, Path or PackedEnvironment, optional
        See `score_udf`; saved as its path.
    predictionCol : str, default "prediction"
        Name of the struct column.
    license : str, optional
        The licence's text; it is no Param, so neither saved nor shown.
    license_file : str, optional
    options : ScoringOptions, optional
    on_message : callable, optional
        Is given a line for each step; by default the logger ``dai_spark`` is.
    metrics : MetricsSum, optional
        Sums what tasks report.
    **overrides
        Fields of `ScoringOptions` by keyword, laid over `options`.

    Raises
    ------
    OptionError
        An option that cannot be meant; from `transform` also where `pipeline` is missing.

    Examples
    --------
    >>> from pyspark.ml import Pipeline                                   # doctest: +SKIP
    >>> stage = ScoringTransformer("scorer.zip", env="dai-1.10.tar.gz")   # doctest: +SKIP
    >>> Pipeline(stages=[cleaning, stage]).fit(df).transform(df)          # doctest: +SKIP
    """

    pipeline: "Param[str]" = Param(
        Params._dummy(),
        "pipeline",
        "path or URI of the scoring pipeline",
        typeConverter=TypeConverters.toString,
    )
    env: "Param[str]" = Param(
        Params._dummy(),
        "env",
        "packed environment: archive, folder or name of a shipped archive",
        typeConverter=TypeConverters.toString,
    )
    licenseFile: "Param[str]" = Param(  # noqa: N815 - as Spark names its Params
        Params._dummy(),
        "licenseFile",
        "path or URI of the licence's file",
        typeConverter=TypeConverters.toString,
    )
    options: "Param[str]" = Param(
        Params._dummy(),
        "options",
        "the options that differ from their defaults, as JSON",
        typeConverter=TypeConverters.toString,
    )

    def __init__(
        self,
        pipeline: Union[str, "os.PathLike[str]", ScoringPipeline, None] = None,
        env: Union[str, "os.PathLike[str]", PackedEnvironment, None] = None,
        *,
        predictionCol: str = "prediction",  # noqa: N803 - as Spark names its Params
        license: Optional[str] = None,
        license_file: Optional[str] = None,
        options: Optional[ScoringOptions] = None,
        on_message: Optional[Callable[[str], None]] = None,
        metrics: Optional[MetricsSum] = None,
        **overrides: "Unpack[OptionArguments]",
    ) -> None:
        super().__init__()
        self._license = license
        self._on_message = on_message
        self._metrics = metrics
        chosen = ScoringOptions.resolve(options, overrides)
        given = {
            "pipeline": _path(pipeline),
            "env": _path(env),
            "licenseFile": license_file,
            "options": json.dumps(_changed(chosen), sort_keys=True),
            "predictionCol": predictionCol,
        }
        self._set(**{name: value for name, value in given.items() if value is not None})

    def setPredictionCol(self, value: str) -> "ScoringTransformer":  # noqa: N802 - Spark's name
        """Choose the name of the struct column.

        Parameters
        ----------
        value : str
        """
        self._set(predictionCol=value)
        return self

    def _transform(self, dataset: "DataFrame") -> "DataFrame":
        path = self._given(self.pipeline)
        if path is None:
            raise OptionError(
                "This ScoringTransformer has no pipeline; give pipeline=, the path of the exported "
                "scorer.zip."
            )
        fields: Dict[str, Any] = json.loads(self._given(self.options) or "{}")
        return score_dataframe(
            dataset,
            path,
            self._given(self.env),
            prediction=self.getPredictionCol(),
            license=self._license,
            license_file=self._given(self.licenseFile),
            options=ScoringOptions.resolve(None, fields),
            on_message=self._on_message,
            metrics=self._metrics,
        )

    def _given(self, param: "Param[str]") -> Optional[str]:
        return self.getOrDefault(param) if self.isDefined(param) else None


# What is saved names the class by where it is found: here it may move.
ScoringTransformer.__module__ = "dai_spark"


def _path(given: Any) -> Optional[str]:
    return None if given is None else str(os.fspath(getattr(given, "path", given)))


def _changed(options: ScoringOptions) -> Dict[str, Any]:
    """The fields of `options` that differ from their defaults, as JSON holds them."""
    plain = ScoringOptions()
    changed = {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(options)
        if getattr(options, field.name) != getattr(plain, field.name)
    }
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in changed.items()
    }
