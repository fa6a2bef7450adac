"""`pynenc …`, in a process that is to its descendants what process 1 of a container is: it adopts orphans."""

from __future__ import annotations

import sys

from pynenc.cli import main
from pynenc.runner._workers import init
from pynenc.runner._workers.platform import adopt_orphans

assert adopt_orphans()
setattr(init, "is_init", lambda: True)
sys.exit(main())
