"""The logger of an app, and what it writes to."""
