"""A client that waits for a result which may never come. Ctrl-C ends it with exit code 130."""

from __future__ import annotations

import sys

from support.jobs import waits

if __name__ == "__main__":
    invocation = waits.never()
    try:
        print("waiting")
        print("result", invocation.result)
    except KeyboardInterrupt:
        print("interrupted")
        sys.exit(130)
