"""Why tasks may not read a table's files themselves."""

__all__ = ["Unproved"]


class Unproved(Exception):
    """Why tasks may not read files themselves, as a clause: its text goes behind "since"."""
