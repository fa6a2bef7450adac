"""A runner in a user's style, in a separate process: `python -m support.programs.own_runner`."""

from __future__ import annotations

from support.jobs import app
from support.seed_runners import SevenMemberRunner

if __name__ == "__main__":
    app.runner = SevenMemberRunner(app, slots=4)
    app.runner.run()
