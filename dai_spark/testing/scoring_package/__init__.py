"""The inside of a stand-in's scoring wheel.  Not H2O's: no text or code of theirs is in it.

Runs in the pipeline's Python (3.6 to 3.11) and imports nothing of dai_spark.  `build_export`
copies these files into a wheel beside a `schema.json`, a `habits.json` and the model; the wheel's
own `__init__.py` is written there and exports the `Scorer` of one DAI line.  `training.py` stays
behind: it runs while the export is built.
"""
