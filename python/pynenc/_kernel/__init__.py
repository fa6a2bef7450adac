"""What every part of pynenc asks of an app. Nothing here imports the app or a task."""
