"""What another process needs to know to find an app."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pynenc.app import Pynenc


@dataclass(frozen=True)
class AppInfo:
    """An app as data."""

    app_id: str
    module: str = ""
    """Name of the module that has it in a variable; empty if none has."""
    config_values: dict[str, Any] | None = None
    config_filepath: str | None = None
    module_filepath: str | None = None
    app_variable: str | None = None

    @classmethod
    def from_app(cls, app: Pynenc) -> AppInfo:
        """Look for the app among the variables of the imported modules, the one that was imported first counts."""
        for name, module in list(sys.modules.items()):
            for variable, value in list(getattr(module, "__dict__", {}).items()):
                if value is app:
                    filepath = getattr(module, "__file__", None)
                    return cls(app.app_id, name, dict(app.config_values), app.config_filepath, filepath, variable)
        return cls(app.app_id, "", dict(app.config_values), app.config_filepath)

    def load(self) -> Pynenc:
        """The app: the variable of its module, or one made from the settings if there is no such module."""
        from pynenc.app import Pynenc

        if self.module and self.app_variable and importlib.util.find_spec(self.module.partition(".")[0]) is not None:
            found = getattr(importlib.import_module(self.module), self.app_variable, None)
            if isinstance(found, Pynenc):
                return found
        return Pynenc(self.app_id, self.config_values, self.config_filepath)

    def to_json(self) -> str:
        """One JSON object; sets among the settings become lists."""
        return msgspec.json.encode(asdict(self), enc_hook=str).decode()

    @classmethod
    def from_json(cls, text: str) -> AppInfo:
        """The inverse of `to_json`. Raises `ValueError` for text that is none."""
        return msgspec.json.decode(text, type=cls)
