"""Which packages an environment gets, and how they are installed."""
