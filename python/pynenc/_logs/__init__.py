"""The logger of an app, and the streams and formats of its lines."""
