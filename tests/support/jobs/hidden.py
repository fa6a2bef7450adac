"""A module that only bodies import: its exception is not known to the app."""


class HiddenError(Exception):
    """Known only to the body that raises it."""
