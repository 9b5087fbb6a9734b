"""MLflow's other tools: evaluation of one column, prediction of files."""

import json

import mlflow
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, mean_squared_error, recall_score

import dai_spark.mlflow
from dai_spark.testing import FLIGHT_FEATURES, flights_table


@pytest.fixture(scope="module")
def table():
    """Flights with their targets; those that were cancelled have none."""
    table = flights_table().dropna(subset=["late", "delay", "arrival"])
    return table[::500].reset_index(drop=True)


@pytest.mark.parametrize(
    ("kind", "target", "model_type"),
    [
        ("binomial", "late", "classifier"),
        ("multinomial", "arrival", "classifier"),
        ("regression", "delay", "regressor"),
    ],
)
def test_metrics_are_those_of_scikit_learn(
    kind, target, model_type, log, export, own_scores, table
):
    """Of a classifier's labels and a regression's numbers, whoever says which column."""
    path = export(kind=kind)
    own = own_scores(path, table)
    output = "label" if model_type == "classifier" else target
    info = log(path, output=output)
    found = mlflow.models.evaluate(
        info.model_uri,
        table[[*FLIGHT_FEATURES, target]],
        targets=target,
        model_type=model_type,
        evaluator_config={"log_model_explainability": False},
    ).metrics
    truth = table[target]
    if model_type == "regressor":
        expected = mean_squared_error(truth, own[target])
        assert found["mean_squared_error"] == pytest.approx(expected, rel=1e-6)
        return
    labels = np.array([name.removeprefix(f"{target}.") for name in own])
    if kind == "binomial":
        predicted = labels[(own.to_numpy()[:, 1] >= 0.5).astype(int)]
    else:
        predicted = labels[own.to_numpy().argmax(axis=1)]
    assert len(set(predicted)) > 1
    assert found["accuracy_score"] == pytest.approx(accuracy_score(truth, predicted))
    average = "weighted" if kind == "multinomial" else "binary"
    words = {"average": average} | ({"pos_label": "yes"} if average == "binary" else {})
    if kind == "multinomial":
        assert found["f1_score"] == pytest.approx(f1_score(truth, predicted, **words))
        assert found["recall_score"] == pytest.approx(recall_score(truth, predicted, **words))


def test_a_loaded_model_answers_one_column(log, export, own_scores, table):
    """As `load_model` is asked, and by each name."""
    own = own_scores(export(), table)
    info = log()
    one = dai_spark.mlflow.load_model(info.model_uri, output="probability").predict(table)
    assert list(one) == list(own["late.yes"])


def test_predict_of_files_scores_as_the_pipeline(log, own_scores, export, table, tmp_path):
    """``mlflow.models.predict``, in this environment; CSV and JSON."""
    rows = table[list(FLIGHT_FEATURES)].head(20)
    expected = own_scores(export(), rows).astype("float64").to_dict(orient="records")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    for words in (
        {"input_path": str(tmp_path / "rows.csv"), "content_type": "csv"},
        {"input_data": rows, "content_type": "json"},
    ):
        output = tmp_path / "scores.json"
        mlflow.models.predict(
            log().model_uri, env_manager="local", output_path=str(output), **words
        )
        assert json.loads(output.read_text()) == {"predictions": expected}
