"""The stand-in's scores in its own Python, against the model file alone."""

import pytest

TIMEOUT_S = 60


# Computes the prediction of each row from schema.json and the model file alone, row by row.
REFERENCE = """
import lightgbm, xgboost
def number(value):
    return float(np.float32(value))
def cell(row, feature, levels):
    value = row[feature["source"]]
    if "values" not in feature:
        return float("nan") if pd.isna(value) else number(value)
    names = levels[feature["source"]]
    if pd.isna(value):
        return feature["values"][len(names) + 1]
    return feature["values"][names.index(value) if value in names else len(names)]
def reference(table, folder):
    with open(os.path.join(folder, "schema.json")) as file:
        schema = json.load(file)
    matrix = np.array([
        [cell(row, feature, schema["levels"]) for feature in schema["features"]]
        for _, row in table.iterrows()
    ])
    if schema["model"] == "lightgbm":
        booster = lightgbm.Booster(model_file=os.path.join(folder, "model.txt"))
        found = booster.predict(matrix)
    else:
        booster = xgboost.Booster(model_file=os.path.join(folder, "model.bin"))
        found = booster.predict(xgboost.DMatrix(matrix))
    if schema["kind"] == "binomial":
        found = np.column_stack([1.0 - found, found])
    return found.reshape(len(table), -1).astype(np.float32)
"""


@pytest.mark.parametrize("model", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("kind", ["binomial", "multinomial", "regression"])
def test_scores_are_those_of_the_model(install, tmp_path, kind, model):
    """Bit for bit what the booster gives for a matrix made by other code, whatever the batches."""
    pipeline = install(kind, model)
    done = pipeline.run(
        REFERENCE
        + """
scorer, table = make(), rows()
whole = scorer.score_batch(table)
parts = [scorer.score_batch(table[i:i + n]) for i, n in [(0, 1), (1, 7), (8, 500)]]
expected = reference(table, os.path.dirname(sys.modules[os.environ["PACKAGE"]].__file__))
tell(
    names=list(whole.columns),
    dtypes=sorted(set(map(str, whole.dtypes))),
    equal=bool((whole.values == expected).all()),
    spread=float(whole.values[:, 0].std()),
    any_batch=bool((pd.concat(parts).values == whole.values).all()),
    fresh_index=bool((parts[1].index == range(7)).all()),
    single=scorer.score([table[name][3] for name in scorer.get_column_names()]),
    fourth=whole.values[3],
    promised=scorer.get_pred_columns(),
)
""",
        pipeline.folder(tmp_path),
    )
    found = done.told
    assert found["equal"], done.err
    assert found["spread"] > 0.01
    assert found["any_batch"]
    assert found["fresh_index"]
    assert found["dtypes"] == ["float32"]
    assert found["single"] == found["fourth"]
    arrivals = ["early", "late, under 1 h.", "never arrived?", "on time", "over 1 h. late"]
    expected = {
        "binomial": ["late.no", "late.yes"],
        "multinomial": [f"arrival.{label}" for label in arrivals],
        "regression": ["delay"],
    }
    assert found["names"] == found["promised"] == expected[kind]


@pytest.mark.parametrize("model", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("kind", ["binomial", "multinomial"])
def test_contributions_and_bias_add_up_to_the_margin(install, tmp_path, kind, model):
    """So they do by feature and by original column; a column that is not used contributes 0."""
    pipeline = install(kind, model)
    done = pipeline.run(
        """
scorer, table = make(), rows()
margin = scorer.score_batch(table, output_margin=True)
contributions = scorer.score_batch(table, pred_contribs=True)
original = scorer.score_batch(table, pred_contribs=True, pred_contribs_original=True)
def summed(frame):
    return frame.values.reshape(len(frame), margin.shape[1], -1).sum(axis=2)
tell(
    far=[float(abs(summed(f) - margin.values).max()) for f in (contributions, original)],
    spread=float(margin.values.std()),
    names=list(contributions.columns), original=list(original.columns),
    margin=list(margin.columns),
    promised=[scorer.get_pred_columns(pred_contribs=True),
              scorer.get_pred_columns(output_margin=True)],
    features=scorer.get_transformed_column_names(),
    year=float(abs(original.filter(like="contrib_year").values).max()),
    single=len(scorer.score(list(table.loc[0, scorer.get_column_names()]), output_margin=True)),
    approximate=float(abs(
        scorer.score_batch(table, pred_contribs=True, fast_approx=True).values
        - contributions.values).max()),
)
try:
    scorer.score_batch(table, output_margin=True, pred_contribs=True)
except ValueError as error:
    print("refused", error)
""",
        pipeline.folder(tmp_path),
    )
    found = done.told
    assert max(found["far"]) < 1e-4 < found["spread"]
    assert found["promised"] == [found["names"], found["margin"]]
    labels = [""] if kind == "binomial" else ["." + label for label in pipeline.schema["labels"]]
    by_feature = [f"contrib_{name}" for name in found["features"]] + ["contrib_bias"]
    assert found["names"] == [name + label for label in labels for name in by_feature]
    columns = [column["name"] for column in pipeline.schema["columns"]]
    by_column = [f"contrib_{name}" for name in [*columns, "bias"]]
    assert found["original"] == [name + label for label in labels for name in by_column]
    assert found["year"] == 0.0
    assert found["approximate"] > 0
    assert found["single"] == len(labels)
    assert "refused" in done.out


def test_scorer_tells_of_its_columns(binomial, install, tmp_path):
    """Only used columns, in an order of its own; labels are None for a regression."""
    script = """
scorer = make()
tell(columns=scorer.get_column_names(), labels=scorer.get_target_labels())
"""
    found = binomial.run(script, binomial.folder(tmp_path / "a")).told
    trained = [column["name"] for column in binomial.schema["columns"]]
    used = [name for name in trained if name != "year"]
    assert sorted(found["columns"]) == sorted(used)
    assert found["columns"] not in (used, sorted(used))
    assert found["labels"] == ["no", "yes"]
    regression = install("regression")
    assert regression.run(script, regression.folder(tmp_path / "b")).told["labels"] is None


def test_input_is_matched_by_name_and_left_alone(binomial, tmp_path):
    """Order and further columns do not matter, absent ones raise, types are coerced aloud."""
    done = binomial.run(
        """
import datatable
scorer, table = make(), rows()
expected = scorer.score_batch(table)
before = table.copy()
shuffled = table[sorted(table.columns)].set_index("time_hour")
def same(frame):
    return bool((scorer.score_batch(frame).values == expected.values).all())
found = dict(
    shuffled=same(shuffled), unchanged=bool(table.equals(before)),
    datatable=same(datatable.Frame(table)), integers=same(table.astype({"flight": "int16"})),
)
print("--- so far no")
found["as_text"] = same(table.assign(month=table["month"].astype(str)))
for name, frame in [("absent", table.drop(columns=["dest", "origin"])), ("empty", table[:0])]:
    try:
        scorer.score_batch(frame)
    except Exception as error:
        found[name] = repr(error)
unknown = table.assign(dest="XXX")
found["unseen"] = scorer.score_batch(unknown).values.std(axis=0)
found["missing"] = not (scorer.score_batch(table.assign(tailnum=None)).values
                        == scorer.score_batch(table.assign(tailnum="XXX")).values).all()
found["nan"] = not same(table.assign(dep_delay=table["dep_delay"].fillna(0)))
found["words"] = [
    scorer.score([word if name == "tailnum" else table[name][0] for name in
                  scorer.get_column_names()])
    for word in (None, "NA", "unknown", "")
]
try:
    scorer.score([1, 2])
except ValueError as error:
    found["short"] = str(error)
tell(**found)
""",
        binomial.folder(tmp_path),
    )
    found = done.told
    for name in ("shuffled", "unchanged", "datatable", "integers", "as_text", "missing", "nan"):
        assert found[name] is True, name
    assert found["absent"].startswith("KeyError")
    assert all(name in found["absent"] for name in ("dest", "origin"))
    assert found["empty"].startswith("ValueError")
    assert found["unseen"][0] > 0.01
    assert found["words"] == [found["words"][0]] * 4
    assert "13" in found["short"]
    before, _, after = done.out.partition("--- so far no")
    assert "WARNING" not in before
    assert "WARNING: column month came as object, trained as float32" in after
