"""The version of dai_spark, for whatever names it."""

__all__ = ["__version__"]

__version__ = "0.1.0"
