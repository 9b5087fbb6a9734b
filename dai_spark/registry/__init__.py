"""Pipelines that lie in an MLflow store, and what a logged one says of itself.

::

    logged_pipeline  the block of a logged model's MLmodel that is ours: written and read
"""
