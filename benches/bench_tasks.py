"""One app and one task that does nothing per store."""

from pynenc import Pynenc, Task


def noop() -> None:
    """Do nothing."""


def _pair(kind: str) -> tuple[Pynenc, Task[[], None]]:
    app = Pynenc(app_id=f"bench_{kind}")
    return app, app.task(noop)


APPS = {kind: _pair(kind) for kind in ("memory", "sqlite")}
