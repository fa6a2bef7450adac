"""The time of pynenc itself: it passes while a test or a body has frozen or replaced the functions of `time`.

Libraries that freeze time replace `time.monotonic`, and every module's name for it. A partial object is neither.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

monotonic: Callable[[], float] = (
    functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    if hasattr(time, "CLOCK_MONOTONIC")
    else functools.partial(time.monotonic)
)
"""Return seconds by the monotonic clock of the system. Where the system allows it, this is right even if pynenc is
imported while time is frozen."""
