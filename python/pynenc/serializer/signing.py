"""Create the signer of an app, and count and log refused payloads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from pynenc import _core
from pynenc.exceptions import SignatureError
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc.serializer.owner import CodecOwner
    from pynenc.serializer.payload_codec import PayloadContext

QUIET_SEC = 60.0
"""How long refusals of one kind are only counted after a logged one, in seconds."""

KINDS = {"arguments": _core.ARGUMENTS, "result": _core.RESULT, "exception": _core.EXCEPTION}


def configured_signer(app: CodecOwner) -> _core.Signer | None:
    """Return the signer with the `signing_keys` of an app; None without keys."""
    keys = app.conf.signing_keys
    if not keys:
        return None
    return _core.Signer(app.app_id, [(key.key_id, key.secret) for key in keys])


class Refusals:
    """Counts the payloads that this process refuses, and logs one line per kind and minute. Thread-safe."""

    def __init__(self, app: CodecOwner, clock: Callable[[], float] = clock.monotonic) -> None:
        self._app = app
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._logged: dict[str, tuple[float, int]] = {}

    def counts(self) -> dict[str, int]:
        """Return the number of refused payloads by kind."""
        with self._lock:
            return dict(self._counts)

    def refuse(self, context: PayloadContext, invocation_id: str, why: str) -> SignatureError:
        """Count a refusal and return the exception to raise."""
        error = SignatureError(
            f"refused the {context.kind} of invocation {invocation_id} of task {context.task_id} without decoding: "
            f"{why}. Someone may have changed or planted it in the store; if not, give every process of app "
            f"{context.app_id!r} the same signing_keys"
        )
        now = self._clock()
        with self._lock:
            count = self._counts[context.kind] = self._counts.get(context.kind, 0) + 1
            last, logged = self._logged.get(context.kind, (-QUIET_SEC, 0))
            if now - last < QUIET_SEC:
                return error
            self._logged[context.kind] = now, count
        before = "" if count - logged == 1 else f" ({count - logged} since the last such line, {count} in all)"
        self._app.logger.error("%s%s", error, before)
        return error
