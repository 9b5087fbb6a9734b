"""Score a file: the entry point ``score`` of the MLflow Project beside it."""

import argparse
import os
import sys
from pathlib import Path

import pandas as pd

from dai_spark import ScoringOptions, open_scorer
from dai_spark.errors import DaiSparkError, OptionError

# What a file of text has in place of a number that is not known.
NO_NUMBER = ["", "NA", "N/A", "nan", "NaN", "null", "None"]


def read(path, column_types):
    """Rows of a CSV or Parquet file; what is text to the pipeline stays as it stands."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    names = pd.read_csv(path, nrows=0).columns
    texts = {name for name in names if column_types.get(name) == "object"}
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(texts, str),
        keep_default_na=False,
        na_values={name: [""] if name in texts else NO_NUMBER for name in names},
    )


def write(scores, path):
    """Scores as CSV, whose numbers read back as the same ones, or Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        scores.to_parquet(path, index=False)
    else:
        scores.to_csv(path, index=False)


def main():
    """Score and write; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scoring-dir", default="")
    parser.add_argument("--input-path", type=Path, required=True)
    parser.add_argument("--output-path", type=Path, required=True)
    parser.add_argument("--apply-data-recipes", default="false")
    parser.add_argument("--batch-size", type=float, default=0)
    parser.add_argument("--env", default="")
    given = parser.parse_args()
    pipeline = given.scoring_dir or os.environ.get("SCORING_PIPELINE_DIR")
    try:
        if not pipeline:
            raise OptionError(
                "Give scoring_dir, the exported zip or folder or a model's URI, or set "
                "SCORING_PIPELINE_DIR."
            )
        if given.batch_size < 0 or given.batch_size != int(given.batch_size):
            raise OptionError(f"batch_size={given.batch_size:g} is no number of rows, nor 0.")
        recipes = given.apply_data_recipes.lower()
        if recipes not in ("true", "false"):
            raise OptionError(f"apply_data_recipes={recipes!r} is neither true nor false.")
        with open_scorer(pipeline, given.env or None) as scorer:
            columns = scorer.plan_for(ScoringOptions()).wanted().values()
            rows = read(given.input_path, {column.name: column.dtype for column in columns})
            scores = scorer.score(
                rows, batch_rows=int(given.batch_size) or None, apply_data_recipes=recipes == "true"
            )
        write(scores, given.output_path)
    except (DaiSparkError, OSError) as error:
        print(f"score: {getattr(error, 'message', error)}", file=sys.stderr)
        return 1
    print(f"{len(scores):,} rows scored into {given.output_path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
