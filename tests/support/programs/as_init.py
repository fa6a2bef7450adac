"""Run `pynenc …` in a process that adopts orphans of its descendants, like process 1 of a container."""

from __future__ import annotations

import sys

from pynenc.cli import main
from pynenc.runner._workers import init
from pynenc.runner._workers.platform import adopt_orphans

assert adopt_orphans()
setattr(init, "is_init", lambda: True)
sys.exit(main())
