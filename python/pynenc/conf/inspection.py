"""Methods that list, explain and override the settings of an object."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self, cast

if TYPE_CHECKING:
    from pynenc.conf.base import ConfigBase


class Inspection:
    """The part of `ConfigBase` that lists, explains and overrides settings."""

    @classmethod
    def config_fields(cls) -> list[str]:
        """List the names of all fields.

        Returns:
            The names, those of parent classes first.
        """
        from pynenc.conf.base import fields_of

        return list(fields_of(cast("type[ConfigBase]", cls)))

    def all_fields(self) -> dict[str, Any]:
        """Return the value of every field, secrets included.

        Returns:
            The values by name.
        """
        return {name: getattr(self, name) for name in self.config_fields()}

    def safe_dict(self) -> dict[str, Any]:
        """Return the value of every field, with secrets and passwords in URLs masked.

        Returns:
            The values by name.
        """
        from pynenc.conf.base import fields_of
        from pynenc.conf.masking import HIDDEN, masked_values

        fields = fields_of(cast("type[ConfigBase]", type(self)))
        values = self.all_fields()
        return {
            name: (HIDDEN if values[name] else values[name]) if field.secret else masked_values(values[name], name)
            for name, field in fields.items()
        }

    def explain(self, field: str | None = None) -> str:
        """Describe fields: value, source and meaning. Secrets are masked.

        Args:
            field: the name of one field; None describes all.
        Returns:
            A line per field.
        Raises:
            AttributeError: there is no such field.

        Example:
            >>> print(shop.conf.explain("store_url").partition(":")[0])
            store_url = 'memory
        """
        from pynenc.conf.base import describe

        rows = {name: row for name, *row in describe(cast("ConfigBase", self))}
        if field is not None and field not in rows:
            from pynenc.conf.base import offered
            from pynenc.util.near_names import did_you_mean

            hint = did_you_mean(field, offered(cast("type[ConfigBase]", type(self))))
            raise AttributeError(f"{type(self).__name__} has no field {field!r}{f': {hint}' if hint else ''}")
        lines = []
        for name in rows if field is None else [field]:
            value, doc, unit, source = rows[name]
            lines.append(f"{name} = {value}{f' {unit}' if unit else ''} (from {source}){f': {doc}' if doc else ''}")
        return "\n".join(lines)

    @contextlib.contextmanager
    def override(self, **values: Any) -> Iterator[Self]:
        """Assign values for the length of a `with` block; afterwards each field has its old value and source again.

        Args:
            **values: values by name of the field.
        Yields:
            The object itself.
        Raises:
            ConfigError: a value cannot work. Nothing stays assigned.
            AttributeError: there is no such field.

        Example:
            >>> with shop.conf.override(max_depth=3) as conf:
            ...     conf.max_depth
            3
        """
        conf = cast("ConfigBase", self)
        before = {name: (getattr(self, name), conf.source_of(name), conf.strength_of(name)) for name in values}
        try:
            for name, value in values.items():
                setattr(self, name, value)
            yield self
        finally:
            for name, (value, source, strength) in before.items():
                setattr(self, name, value)
                conf._sources[name], conf._strengths[name] = source, strength
