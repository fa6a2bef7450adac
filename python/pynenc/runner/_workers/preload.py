"""What a runner and its workers import while they run. It is imported ahead of the app.

The folder of the app is on the path from then on, and a file in it may have the name of a module of the standard
library. A zygote also shares it with its workers that way.
"""

from __future__ import annotations

# ruff: noqa: F401
import pynenc._execute.bodies
import pynenc._execute.coroutine_limits
import pynenc._execute.thread_limits
import pynenc.runner._worker_process.loop_worker
import pynenc.runner._worker_process.once_worker
import pynenc.runner._worker_process.worker
