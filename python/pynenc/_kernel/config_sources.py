"""Where the settings of an app come from: the arguments of its constructor, and what was assigned later."""

from __future__ import annotations

from typing import Any

from pynenc.conf.masking import MaskedDict
from pynenc.conf.working_folder import below, working_folder


class ConfigSources:
    """The app id, values and file that an app was given. The environment ranks above them and is not here."""

    def __init__(self, app_id: str | None, values: dict[str, Any] | None, filepath: str | None) -> None:
        self.given_id = app_id
        self.made_with = (dict(values or {}), filepath)
        """Values and file of the constructor. A later assignment does not make it another app."""
        self.values: dict[str, Any] = MaskedDict(values or {})
        self.folder = working_folder()
        """The folder that relative paths among the settings are relative to."""
        self.filepath = None if filepath is None else below(self.folder, filepath)

    def set_values(self, values: dict[str, Any] | None) -> None:
        """Replace the values."""
        self.values = MaskedDict(values or {})

    def set_filepath(self, path: str | None) -> None:
        """Replace the file. A relative path is relative to the present working folder."""
        self.filepath = None if path is None else below(working_folder(), str(path))

    def take_over(self, values: dict[str, Any], filepath: str | None) -> None:
        """Have the values and the file of another process."""
        self.values, self.filepath = values, filepath

    def move(self, folder: str) -> None:
        """Make relative paths relative to `folder`, as they are in another process."""
        self.folder = folder
        if self.made_with[1] is not None:
            self.filepath = below(folder, self.made_with[1])
