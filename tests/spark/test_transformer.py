"""ScoringTransformer: a scorer as a stage of a pyspark.ml Pipeline, saved and loaded."""

import logging

import pytest
from chispa import assert_df_equality
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import SQLTransformer

import dai_spark
from dai_spark import MetricsSum, ScoringTransformer, score_dataframe
from dai_spark.errors import OptionError


@pytest.fixture
def cleaning():
    """A stage of Spark's own before the scorer."""
    return SQLTransformer(statement="SELECT *, flight_id % 7 AS weekday FROM __THIS__")


def test_a_stage_of_a_pipeline_scores_as_the_pipeline_itself(
    flights_frame, export, with_scorer, expected, cleaning
):
    """Between other stages, all columns are kept and the scores are the pipeline's own."""
    stage = ScoringTransformer(export(), **with_scorer)
    model = Pipeline(stages=[cleaning, stage]).fit(flights_frame)
    found = model.transform(flights_frame)
    assert found.columns == [*flights_frame.columns, "weekday", "prediction"]
    assert_df_equality(
        found.select("flight_id", "prediction"),
        expected,
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_a_saved_stage_scores_as_it_did(
    flights_frame, export, with_scorer, cleaning, tmp_path, license_text
):
    """Files, options and the column's name are saved; the licence's text is nowhere in it."""
    few = flights_frame.filter("flight_id % 50 = 0").select("flight_id", *_columns(flights_frame))
    stage = ScoringTransformer(
        export(),
        env=with_scorer["env"].path,
        license=license_text,
        license_file=with_scorer["license_file"],
        labels=True,
        threshold=0.3,
    ).setPredictionCol("late")
    # Both are given here to see which is saved; scoring takes one.
    path = str(tmp_path / "model")
    Pipeline(stages=[cleaning, stage]).fit(few).write().save(path)
    saved = "".join(file.read_text() for file in (tmp_path / "model").rglob("part-*"))
    assert license_text not in saved
    assert "dai_spark.ScoringTransformer" in saved
    loaded = PipelineModel.load(path)
    assert loaded.stages[1].getPredictionCol() == "late"
    assert_df_equality(
        loaded.transform(few).select("flight_id", "late"),
        score_dataframe(
            few,
            export(),
            **with_scorer,
            keep=["flight_id"],
            prediction="late",
            labels=True,
            threshold=0.3,
        ),
        ignore_row_order=True,
    )


def _columns(frame):
    return [name for name in frame.columns if name != "flight_id"]


def test_options_are_checked_where_the_stage_is_made(export):
    """A misspelt option does not wait for the first transform."""
    with pytest.raises(OptionError, match="unknown option lables"):
        ScoringTransformer(export(), lables=True)


def test_a_stage_without_a_pipeline_says_so(flights_frame):
    """As a loaded stage is made first without anything, a missing path is told by `transform`."""
    with pytest.raises(OptionError, match="has no pipeline"):
        ScoringTransformer().transform(flights_frame)


def test_metrics_are_summed_over_what_is_given_one_sum(spark, flights_frame, export, with_scorer):
    """A stage and a function of columns report into the same sum."""
    few = flights_frame.limit(300)
    taken = MetricsSum(spark)
    stage = ScoringTransformer(export(), **with_scorer, metrics=taken)
    score = dai_spark.score_udf(export(), **with_scorer, metrics=taken)
    stage.transform(few).select("prediction").collect()
    few.select(score().alias("p")).collect()
    assert taken.metrics().n_rows == 600
    assert score.metrics() == taken.metrics()


def test_by_default_the_logger_is_told_and_nobody_else(
    flights_frame, export, with_scorer, caplog, capfd
):
    """A library writes to no terminal by itself: its messages go to the logger `dai_spark`."""
    with caplog.at_level(logging.INFO, logger="dai_spark"):
        score_dataframe(flights_frame, export(n_trees=11), **with_scorer)
    assert "loading the scorer on an executor" in " ".join(caplog.messages)
    assert "loading" not in capfd.readouterr().err
