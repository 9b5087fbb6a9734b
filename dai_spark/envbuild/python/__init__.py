"""Where the Python of an environment comes from."""
