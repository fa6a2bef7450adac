"""Distributed task orchestration for Python, with the hot half in Rust.

    from pynenc import Pynenc

    app = Pynenc(app_id="demo")

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

Importing this starts nothing. The distribution is called `pynenc-rs`.
"""

import warnings
from typing import TYPE_CHECKING, Any

from pynenc._compat.paths import serve_old_paths
from pynenc.util.search_path import metadata_folder

if TYPE_CHECKING:
    from pynenc.app import Pynenc as Pynenc
    from pynenc.builder import PynencBuilder as PynencBuilder
    from pynenc.conf.config_task import ConcurrencyControlType as ConcurrencyControlType
    from pynenc.task import Task as Task

    __version__: str

__all__ = ["ConcurrencyControlType", "Pynenc", "PynencBuilder", "Task", "__version__"]

_MODULES = {
    "ConcurrencyControlType": "pynenc.conf.config_task",
    "Pynenc": "pynenc.app",
    "PynencBuilder": "pynenc.builder",
    "Task": "pynenc.task",
    "__version__": "pynenc._core",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, and only that."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    try:
        value = getattr(importlib.import_module(module), name)
    except Exception as error:
        import sys

        from pynenc._tasks.shadows import shadow_hint

        hint = shadow_hint(sys.path)
        if not hint:
            raise
        # `from pynenc import …` would hide an AttributeError.
        raise ImportError(f"importing {module} failed with {type(error).__name__}: {error}{hint}") from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _warn_if_both_installed() -> None:
    """Warn (`RuntimeWarning`) if `pynenc` is installed as well as `pynenc-rs`: files of one overwrite the other's."""
    other = metadata_folder("pynenc")
    if other is not None:
        warnings.warn(
            f"the distributions 'pynenc' ({other}) and 'pynenc-rs' are both installed, and both bring the import "
            "package 'pynenc', so their files are mixed. Keep one: "
            "pip uninstall -y pynenc pynenc-rs && pip install pynenc-rs",
            RuntimeWarning,
            stacklevel=3,
        )


serve_old_paths()
_warn_if_both_installed()
