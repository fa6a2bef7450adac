"""Run a few tasks on the runner of this folder: `python examples/custom_runner/run.py`."""

import threading

from subprocess_runner import SubprocessRunner
from tasks import app, sum_of_squares


def main() -> None:
    runner = SubprocessRunner(app)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        print(sum_of_squares(4).result)
    finally:
        runner.stop_runner_loop()
        thread.join()


if __name__ == "__main__":
    main()
