"""Proves that a packed environment runs."""
