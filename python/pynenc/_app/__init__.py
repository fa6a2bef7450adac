"""The parts of the app that files of their own hold: its tasks, its components."""
