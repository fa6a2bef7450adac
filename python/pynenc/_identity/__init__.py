"""The identity of a runner: its id, and the context in which it runs."""
