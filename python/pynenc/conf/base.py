"""The base of all settings: declared once with type, unit and bounds, resolved by source, always checked."""

from __future__ import annotations

import copy
import enum
import math
import re
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import UnionType
from typing import Any, Self, get_args, get_origin

import msgspec

from pynenc.conf.foreign import default_of, is_foreign_field, parser_of
from pynenc.conf.inspection import Inspection
from pynenc.conf.masking import UNREADABLE, harmless, is_spawning, mask, masked_values, register, shown_value
from pynenc.conf.ownership import allows_foreign_files
from pynenc.conf.sources import CODE, Layer, environment_layers, file_layers, section_layers
from pynenc.exceptions import ConfigError, ConfigMultiInheritanceError
from pynenc.util.near_names import did_you_mean

WITHOUT_EFFECT = "accepted for compatibility, without effect"
"""The doc, or its beginning, of a setting of pynenc that no code here reads."""

_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}


class Setting:
    """One field of a configuration class; made by `setting`. An instance keeps its values beside it."""

    def __init__(self, default: Any, **rules: Any) -> None:
        self.default = default
        self.is_mutable = isinstance(default, (list, set, dict))
        self.unit: str = rules["unit"]
        self.at_least: float | None = rules["at_least"]
        self.at_most: float | None = rules["at_most"]
        self.above: float | None = rules["above"]
        self.choices: tuple[str, ...] = rules["choices"]
        self.pattern: str | None = rules["pattern"]
        self.parse: Callable[[Any], Any] | None = rules["parse"]
        self.doc: str = rules["doc"]
        self.secret: bool = rules["secret"]
        self.url: bool = rules["url"]
        self.kind: Any = None
        """The type of the values if the class has no annotation for it."""
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        register(name, secret=self.secret, url=self.url)

    @property
    def without_effect(self) -> bool:
        """Whether no code reads this setting; it is accepted because pynenc has it."""
        return self.doc.startswith(WITHOUT_EFFECT)

    def default_value(self) -> Any:
        """Return a separate default for each instance, so that a mutable one is not shared."""
        return type(self.default)(self.default) if self.is_mutable else self.default

    def check(self, value: Any) -> str | None:
        """Return the fault of a value of the right type as `must …`; None for a valid value."""
        unit = f" {self.unit}" if self.unit else ""
        items = value if isinstance(value, (tuple, list, set, frozenset)) else (value,)
        if isinstance(value, float) and not math.isfinite(value):
            return f"must be a finite number of{unit}" if unit else "must be a finite number"
        if self.at_least is not None and value < self.at_least:
            return f"must be at least {self.at_least:g}{unit}"
        if self.at_most is not None and value > self.at_most:
            return f"must be at most {self.at_most:g}{unit}"
        if self.above is not None and value <= self.above:
            return f"must be more than {self.above:g}{unit}"
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(map(repr, self.choices))}"
        if self.pattern is not None and not all(re.fullmatch(self.pattern, str(item)) for item in items):
            return f"must match {self.pattern}"
        return None


def setting(
    default: Any,
    *,
    doc: str,
    unit: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] = (),
    pattern: str | None = None,
    parse: Callable[[Any], Any] | None = None,
    secret: bool = False,
    url: bool = False,
) -> Any:
    """Declare a field: `max_threads: int = setting(0, unit="threads", at_least=0, doc="…")`.

    Args:
        default: its value where no source has one.
        doc: its meaning, for `show_config` and the guide.
        unit: the unit of its values.
        at_least: the smallest value.
        at_most: the largest value.
        above: a bound that the value must exceed.
        choices: the texts that are allowed.
        pattern: a regular expression that the whole text, or every item, must match.
        parse: makes a value of what a source has; raises `ValueError` with the words after `must`.
        secret: never show the value.
        url: show the value without its password, and not at all if it cannot be read as a URL.
    Returns:
        The declaration, which an instance replaces by the value.

    Example:
        >>> class ConfigMail(ConfigBase):
        ...     retries: int = setting(3, unit="retries", at_least=0, doc="attempts to send a mail")
        >>> ConfigMail({"mail": {"retries": 5}}).retries
        5
    """
    return Setting(
        default, unit=unit, at_least=at_least, at_most=at_most, above=above, choices=choices, pattern=pattern,
        parse=parse, doc=doc, secret=secret, url=url,
    )  # fmt: skip


def _adopted(name: str, field: Any) -> Setting:
    """Convert a field of another library; its type is the type of its default."""
    default = default_of(field)
    kind = Any if default is None else type(default)
    adopted: Setting = setting(default, doc="", parse=parser_of(field, type(default)))
    adopted.name, adopted.kind = name, kind
    return adopted


def config_id(cls: type) -> str:
    """Return the name of the section of a class: `threadrunner` for `ConfigThreadRunner`, `mail` for `MailConfig`."""
    name = cls.__name__
    short = name.removeprefix("Config") if name.startswith("Config") else name.removesuffix("Config")
    return (short or name).lower()


# Filled at the first use of a class, because its declarations do not change.
_FIELDS: dict[type, dict[str, Setting]] = {}
_TYPES: dict[type, dict[str, Any]] = {}


class ConfigBase(Inspection):
    """Settings of a part of the package, or of your code. Everything is checked when made and at each assignment.

    The sources, in rising order: defaults, `config_values`, `pyproject.toml` (`[tool.pynenc]`), `config_filepath`, the
    files that `PYNENC__FILEPATH` and `PYNENC__<CLASS>__FILEPATH` name, `PYNENC__<FIELD>`, `PYNENC__<CLASS>__<FIELD>`,
    assignment. Within a source the section of a class wins over the top level, and that of a subclass over that of its
    parent. Making an object reads the files; nothing else blocks.

    Args:
        config_values: settings from code, by name or by section.
        config_filepath: a configuration file: yaml, json or toml.
    Raises:
        ConfigError: a value of the wrong type or out of bounds; names the field, the source and the value.
        ConfigFileError: a file cannot be read.
        ConfigMultiInheritanceError: the class inherits one field from two unrelated parents.
    """

    _sources: dict[str, str]
    _strengths: dict[str, int]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Convert fields declared with cistell's `ConfigField`, or with a class that behaves like it."""
        super().__init_subclass__(**kwargs)
        for name, value in list(vars(cls).items()):
            if not isinstance(value, Setting) and is_foreign_field(value):
                setattr(cls, name, _adopted(name, value))

    def __init__(self, config_values: dict[str, Any] | None = None, config_filepath: str | None = None) -> None:
        fields = fields_of(type(self))
        found: dict[str, tuple[Any, Layer]] = {}
        origins: dict[str, int] = {}
        for layer in self._layers(config_values or {}, config_filepath):
            origins.setdefault(layer.origin, len(origins))
            for name, value in layer.values.items():
                if name in fields:
                    found[name] = (value, layer)
        state, sources = self.__dict__, dict.fromkeys(fields, "default")
        for name, field in fields.items():
            if name in found:
                value, layer = found[name]
                sources[name] = layer.source
                state[name] = self._checked(field, value, layer.source, layer.is_text)
            else:
                state[name] = field.default_value() if field.is_mutable else field.default
        state["_sources"] = sources
        state["_strengths"] = {name: origins[found[name][1].origin] for name in found}

    def _layers(self, config_values: dict[str, Any], config_filepath: str | None) -> Iterator[Layer]:
        classes = _config_classes(type(self))
        names = [cls.__name__ for cls in classes]
        sections = [config_id(cls) for cls in classes]
        yield from section_layers(CODE, config_values, sections)
        yield from file_layers(config_filepath, names, sections, allow_foreign=allows_foreign_files(config_values))
        yield from environment_layers(tuple(fields_of(type(self))), ["", *names])

    def source_of(self, field: str) -> str:
        """Return where the value of a field comes from.

        Args:
            field: the name of the field.
        Returns:
            The source in words; `"default"` if no source has a value.
        """
        return self._sources[field]

    def strength_of(self, field: str) -> int:
        """Return the rank of the source of a field among the sources.

        Args:
            field: the name of the field.
        Returns:
            -1 for a default, the highest number for an assignment.
        """
        return self._strengths.get(field, -1)

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign a value. Raises `ConfigError` for an invalid value, and `AttributeError` for an unknown field."""
        field = fields_of(type(self)).get(name)
        if field is None:
            raise AttributeError(_no_field(type(self), name))
        self.__dict__[name] = self._checked(field, value, "assignment", is_text=False)
        self._sources[name] = "assignment"
        self._strengths[name] = sys.maxsize

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of a pickle. Only a pickle for a process that `multiprocessing` starts has secrets."""
        state = dict(self.__dict__)
        if not is_spawning():
            for name, field in fields_of(type(self)).items():
                value = UNREADABLE if field.secret else harmless(state[name], name)
                state[name] = field.default_value() if value is UNREADABLE else value
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __copy__(self) -> Self:
        return self._copied({**self.__dict__, "_sources": dict(self._sources), "_strengths": dict(self._strengths)})

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # A copy belongs to no app, so no app watches its changes.
        return self._copied(copy.deepcopy({key: each for key, each in self.__dict__.items() if key != "_watch"}, memo))

    def _copied(self, state: dict[str, Any]) -> Self:
        copied = type(self).__new__(type(self))
        copied.__dict__.update(state)
        copied.__dict__.pop("_watch", None)
        return copied

    def __dir__(self) -> list[str]:
        """List the attributes for completion, without settings that have no effect."""
        hidden = {name for name, field in fields_of(type(self)).items() if field.without_effect}
        return [name for name in super().__dir__() if name not in hidden]

    def __call__(self) -> Any:
        """Return the object itself: `runner.conf` and `runner.conf()` are both in use.

        Returns:
            The object.
        """
        return self

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value, *_ in describe(self))
        return f"{type(self).__name__}({shown})"

    def _checked(self, field: Setting, value: Any, source: str, is_text: bool) -> Any:
        return checked(type(self), field, value, source, is_text=is_text)


def checked(cls: type[ConfigBase], field: Setting, value: Any, source: str, *, is_text: bool = False) -> Any:
    """Convert a value to the type of a field of `cls`.

    Raises:
        ConfigError: it is of the wrong type or out of bounds; names the field, the source and the value.
    """
    kind = _TYPES[cls][field.name]
    try:
        converted = field.parse(value) if field.parse is not None else _convert(value, kind, is_text)
        wrong = field.check(converted)
    except (ValueError, TypeError) as error:
        wrong = str(error)
    if wrong is not None:
        shown = "a hidden value" if field.secret else shown_value(value, field.name)
        raise ConfigError(f"{cls.__name__}.{field.name} {wrong}, got {shown} (from {source})")
    return converted


def _no_field(cls: type[ConfigBase], name: str) -> str:
    hint = did_you_mean(name, offered(cls))
    return f"{cls.__name__} has no field {name!r}{f': {hint}' if hint else ''}"


def offered(cls: type[ConfigBase]) -> list[str]:
    """Return the names of the fields that have an effect."""
    return [name for name, field in fields_of(cls).items() if not field.without_effect]


def describe(conf: ConfigBase) -> list[tuple[str, str, str, str, str]]:
    """List `(field, value as text, doc, unit, source)` of every field in declaration order; secrets are masked."""
    return [
        (name, _shown(field, conf.__dict__[name]), field.doc, field.unit, conf.source_of(name))
        for name, field in fields_of(type(conf)).items()
    ]


def _shown(field: Setting, value: Any) -> str:
    if field.secret:
        return "***" if value else repr(value) if isinstance(value, str) else "none"
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, (tuple, list, set, frozenset)):
        items = [
            f"{item.__module__}.{item.__qualname__}" if isinstance(item, type) else str(masked_values(item))
            for item in value
        ]
        return ", ".join(sorted(items) if isinstance(value, (set, frozenset)) else items) or "none"
    return repr(mask(value, field.name)) if isinstance(value, str) else str(masked_values(value))


def _config_classes(cls: type) -> list[type]:
    """Return the configuration classes among the bases of `cls`, parents first, without `ConfigBase`."""
    return [base for base in reversed(cls.__mro__) if issubclass(base, ConfigBase) and base is not ConfigBase]


def fields_of(cls: type[ConfigBase]) -> dict[str, Setting]:
    """Return the fields of a class by name, those of its parents first. Raises `ConfigMultiInheritanceError`."""
    known = _FIELDS.get(cls)
    if known is not None:
        return known
    fields: dict[str, Setting] = {}
    owners: dict[str, type] = {}
    for base in _config_classes(cls):
        for name, field in vars(base).items():
            if isinstance(field, Setting):
                owner = owners.get(name)
                if owner is not None and not issubclass(base, owner):
                    raise ConfigMultiInheritanceError(
                        f"{cls.__name__} inherits the field {name!r} from both {owner.__name__} and {base.__name__}"
                    )
                fields[name], owners[name] = field, base
    hints = typing.get_type_hints(cls)
    _FIELDS[cls] = fields
    _TYPES[cls] = {name: hints[name] if field.kind is None else field.kind for name, field in fields.items()}
    return fields


def _convert(value: Any, kind: Any, is_text: bool) -> Any:
    """Return a value as type `kind`; raises `ValueError` with the words after `must`."""
    wanted = _name_of(kind)
    if isinstance(value, str) and _is_many(kind):
        # One line of an environment variable or a file: names separated by commas.
        value = [part.strip() for part in value.split(",") if part.strip()]
    elif _is_many(kind) and isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        value = list(value)
    elif isinstance(value, str) and kind is bool:
        lowered = value.strip().lower()
        if lowered not in _TRUE | _FALSE:
            raise ValueError("must be true or false (also yes, no, on, off, 1, 0)")
        return lowered in _TRUE
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _member(value, kind)
    elif isinstance(value, bool) and kind in (int, float):
        raise ValueError(f"must be {wanted}")
    try:
        return msgspec.convert(value, kind, strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        raise ValueError(f"must be {wanted}") from error


def _member(value: Any, kind: type[enum.Enum]) -> enum.Enum:
    for member in kind:
        if value is member or (type(value) is type(member.value) and value == member.value):
            return member
        if isinstance(value, str) and value.strip().lower() in (str(member.value).lower(), member.name.lower()):
            return member
    raise ValueError(f"must be one of {', '.join(repr(member.value) for member in kind)}")


def _is_many(kind: Any) -> bool:
    return (get_origin(kind) or kind) in (tuple, list, set, frozenset)


def _name_of(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    if kind in names:
        return names[kind]
    if _is_many(kind):
        return "a list of names"
    if get_origin(kind) in (typing.Union, UnionType):
        return " or ".join(_name_of(arg) for arg in get_args(kind) if arg is not type(None))
    return f"a {getattr(kind, '__name__', kind)}"
