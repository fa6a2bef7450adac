"""`AppInfo`: an app as data, with which another process can find it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from pynenc.conf.handover import as_json
from pynenc.conf.masking import is_spawning, masked_values, without_secrets

if TYPE_CHECKING:
    from types import ModuleType

    from pynenc._kernel.shapes import AppShape
    from pynenc.app import Pynenc


@dataclass(frozen=True)
class AppInfo:
    """An app as data.

    Example:
        >>> info = AppInfo("orders", config_values={"store_url": "memory://"})
        >>> info.load().app_id, AppInfo.from_json(info.to_json()) == info
        ('orders', True)
    """

    app_id: str
    """The id of the app."""
    module: str = ""
    """The name of the module that has the app in a variable; empty if none has."""
    config_values: dict[str, Any] | None = None
    """The settings that the app was made with, secrets included."""
    config_filepath: str | None = None
    """The configuration file that the app was made with."""
    module_filepath: str | None = None
    """The file of that module."""
    app_variable: str | None = None
    """The name of that variable."""

    @classmethod
    def from_app(cls, app: AppShape) -> AppInfo:
        """Describe an app. Looks for it among the variables of the imported modules.

        The module that was imported first counts; `__main__` only if no other has the app, because in another process
        `__main__` is another module.

        Args:
            app: the app.
        Returns:
            Its description.
        """
        named = cls(app.app_id, "", dict(app.config_values), app.config_filepath)
        for name, module in sys.modules.copy().items():
            for variable, value in dict(getattr(module, "__dict__", {})).items():
                if value is not app:
                    continue
                filepath = getattr(module, "__file__", None)
                found = replace(named, module=name, module_filepath=filepath, app_variable=variable)
                if name != "__main__":
                    return found
                named = found
        return named

    def load(self) -> Pynenc:
        """Return the app: the variable of its module, or an app made from the settings if there is no such module.

        The module is imported by its name or, where that is not on the path, from its file. A script is not run again:
        its app is made from the settings. Blocks for the import.

        Returns:
            The app.
        Raises:
            Exception: as importing the module raises.
        """
        cls = _app_class()
        if self.module and self.app_variable and self.module != "__main__":
            module = _import(self.module, self.module_filepath)
            found = getattr(module, self.app_variable, None)
            if isinstance(found, cls):
                return found
        return cls(self.app_id, self.config_values, self.config_filepath)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={masked_values(value)!r}" for name, value in vars(self).items())
        return f"AppInfo({shown})"

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds: secrets only on its way to a process that `multiprocessing` starts."""
        values = self.config_values
        kept = values if values is None or is_spawning() else without_secrets(values)
        return {**vars(self), "config_values": kept}

    def to_json(self) -> str:
        """Return the description as text, secrets included.

        Returns:
            One JSON object; sets among the settings become lists.
        """
        return as_json(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> AppInfo:
        """Read a description.

        Args:
            text: what `to_json` returned.
        Returns:
            The description.
        Raises:
            ValueError: the text is no such description.
        """
        return msgspec.json.decode(text, type=cls)


_registered: type[Pynenc] | None = None


def register_app_class(cls: type[Pynenc]) -> None:
    """Make `cls` the class of the apps that `AppInfo.load` creates. The module of the class calls this."""
    global _registered
    _registered = cls


def _app_class() -> type[Pynenc]:
    if _registered is None:
        # The app registers itself when it is imported, so this module need not import it.
        importlib.import_module("pynenc.app")
    assert _registered is not None
    return _registered


def _import(name: str, filepath: str | None) -> ModuleType | None:
    """Return the module; None if neither its name nor its file leads to one."""
    if name in sys.modules:
        return sys.modules[name]
    try:
        known = importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        known = False
    if known:
        return importlib.import_module(name)
    if filepath is None or not os.path.isfile(filepath):
        return None
    spec = importlib.util.spec_from_file_location(name, filepath)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
