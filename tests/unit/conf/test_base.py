"""Settings are declared once, converted from the values of their sources, and always checked."""

from __future__ import annotations

import copy
import enum
import importlib
import pickle
import pkgutil
from typing import Any

import pytest

import pynenc.conf
from pynenc.conf.base import ConfigBase, Setting, config_id, describe, fields_of, mask, setting
from pynenc.conf.config_pynenc import ConfigPynenc, ConfigRedis
from pynenc.conf.config_runner import ConfigThreadRunner
from pynenc.exceptions import ConfigError, ConfigMultiInheritanceError
from pynenc.util.subclasses import all_subclasses


class Size(enum.StrEnum):
    SMALL = "small"
    LARGE = "large"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


def _even(value: Any) -> int:
    number = int(value)
    if number % 2:
        raise ValueError("must be even")
    return number


class ConfigEverything(ConfigBase):
    """A field of each type, and of each rule."""

    flag: bool = setting(False, doc="a flag")
    count: int = setting(3, unit="pieces", at_least=0, at_most=10, doc="a bounded number")
    share: float = setting(0.5, above=0, doc="a number above a bound")
    text: str = setting("", pattern="[a-z]*", doc="a text of a form")
    colour: str = setting("red", choices=("red", "blue"), doc="one of some texts")
    names: tuple[str, ...] = setting((), pattern="[a-z]+", doc="names in order")
    labels: set[str] = setting({"x"}, doc="names without order")
    words: list[str] = setting([], doc="names that can be changed")
    size: Size = setting(Size.SMALL, doc="a member by its text")
    level: Level = setting(Level.LOW, doc="a member by its number")
    even: int = setting(0, parse=_even, doc="a number with a rule of its own")
    maybe: int | None = setting(None, doc="a number or nothing")
    token: str = setting("", secret=True, pattern="[a-z]*", doc="a secret")
    address: str = setting("", doc="a URL")


def _from_environment(monkeypatch: pytest.MonkeyPatch, field: str, text: str) -> Any:
    monkeypatch.setenv(f"PYNENC__{field.upper()}", text)
    return getattr(ConfigEverything(), field)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        *[("flag", text, True) for text in ("true", "True", "TRUE", "1", "yes", "on", " on ")],
        *[("flag", text, False) for text in ("false", "False", "0", "no", "off", "OFF")],
        ("count", "7", 7),
        ("share", "1e-3", 0.001),
        ("share", "2", 2.0),
        ("text", "abc", "abc"),
        ("names", "a", ("a",)),
        ("names", "a,b", ("a", "b")),
        ("names", " b , a, ", ("b", "a")),
        ("names", ",", ()),
        ("labels", "a,b,a", {"a", "b"}),
        ("words", "a,b", ["a", "b"]),
        *[("size", text, Size.LARGE) for text in ("large", "LARGE", "Large", " large")],
        ("level", "2", Level.HIGH),
        ("level", "high", Level.HIGH),
        ("even", "4", 4),
        ("maybe", "4", 4),
    ],
)
def test_text_of_the_environment_becomes_the_declared_type(
    field: str, text: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _from_environment(monkeypatch, field, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("field", "given", "value"),
    [
        ("flag", True, True),
        ("flag", "no", False),
        ("share", 2, 2.0),
        ("names", ["a", "b"], ("a", "b")),
        ("names", ("a",), ("a",)),
        ("names", {"a"}, ("a",)),
        ("names", "a,b", ("a", "b")),
        ("labels", ["a", "a"], {"a"}),
        ("size", Size.LARGE, Size.LARGE),
        ("level", 2, Level.HIGH),
        ("level", Level.HIGH, Level.HIGH),
        ("maybe", None, None),
    ],
)
def test_values_given_in_code_are_taken_as_what_they_are(field: str, given: Any, value: Any) -> None:
    for conf in (ConfigEverything({field: given}), ConfigEverything()):
        setattr(conf, field, given)
        found = getattr(conf, field)
        assert found == value
        assert type(found) is type(value)


WRONG = [
    ("flag", "perhaps", "must be true or false"),
    ("flag", 1, "must be true or false"),
    ("count", "three", "must be a whole number"),
    ("count", 3.5, "must be a whole number"),
    ("count", True, "must be a whole number"),
    ("count", None, "must be a whole number"),
    ("count", -1, "must be at least 0 pieces"),
    ("count", 11, "must be at most 10 pieces"),
    ("share", 0, "must be more than 0"),
    ("share", "nan", "must be a finite number"),
    ("share", float("inf"), "must be a finite number"),
    ("share", "1e999", "must be a number"),
    ("share", False, "must be a number"),
    ("text", "UPPER", r"must match \[a-z\]\*"),
    ("text", 5, "must be text"),
    ("colour", "green", "must be one of 'red', 'blue'"),
    ("names", "a,B", r"must match \[a-z\]\+"),
    ("names", 5, "must be a list of names"),
    ("names", [1], "must be a list of names"),
    ("size", "huge", "must be one of 'small', 'large'"),
    ("size", 1, "must be one of"),
    ("level", 3, "must be one of 1, 2"),
    ("level", True, "must be one of 1, 2"),
    ("even", 3, "must be even"),
    ("maybe", "x", "must be a whole number"),
]


@pytest.mark.parametrize(("field", "value", "rule"), WRONG, ids=lambda value: str(value))
def test_an_invalid_value_is_refused_with_class_field_rule_value_and_source(field: str, value: Any, rule: str) -> None:
    with pytest.raises(ConfigError, match=rule) as raised:
        ConfigEverything({field: value})
    message = str(raised.value)
    assert message.startswith(f"ConfigEverything.{field} must ")
    assert f"got {value!r}" in message
    assert message.endswith("(from config_values)")


@pytest.mark.parametrize(
    ("field", "value", "rule"), [row for row in WRONG if isinstance(row[1], str)], ids=lambda value: str(value)
)
def test_the_environment_is_checked_the_same_way(
    field: str, value: str, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=rule) as raised:
        _from_environment(monkeypatch, field, value)
    assert str(raised.value).endswith(f"got {value!r} (from environment variable PYNENC__{field.upper()})")


@pytest.mark.parametrize(("field", "value", "rule"), WRONG, ids=lambda value: str(value))
def test_a_refused_assignment_leaves_value_and_source(field: str, value: Any, rule: str) -> None:
    conf = ConfigEverything()
    before = getattr(conf, field)
    with pytest.raises(ConfigError, match=rule) as raised:
        setattr(conf, field, value)
    assert str(raised.value).endswith("(from assignment)")
    assert (getattr(conf, field), conf.source_of(field)) == (before, "default")


def test_a_field_that_does_not_exist_cannot_be_assigned_or_asked_for() -> None:
    conf = ConfigEverything()
    with pytest.raises(AttributeError, match=r"ConfigEverything has no field 'cuont'"):
        conf.cuont = 1  # type: ignore[attr-defined]
    with pytest.raises(KeyError):
        conf.source_of("cuont")


def test_a_weaker_source_is_not_checked_where_a_stronger_one_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__COUNT", "2")
    assert ConfigEverything({"count": "no number"}).count == 2


def test_a_mutable_default_is_not_shared() -> None:
    ConfigEverything().labels.add("y")
    ConfigEverything().words.append("y")
    assert ConfigEverything().labels == {"x"}
    assert ConfigEverything().words == []


def test_a_called_configuration_returns_itself() -> None:
    conf = ConfigEverything()
    assert conf() is conf


def test_a_copy_is_independent_and_a_pickle_keeps_the_sources() -> None:
    conf = ConfigThreadRunner({"max_threads": 4})
    other = copy.deepcopy(conf)
    other.max_threads = 5
    assert (conf.max_threads, conf.source_of("max_threads")) == (4, "config_values")
    again = pickle.loads(pickle.dumps(conf))
    assert (again.max_threads, again.source_of("max_threads")) == (4, "config_values")


# -- inheritance -------------------------------------------------------------------------------------------------------


class ConfigLeft(ConfigBase):
    left: int = setting(1, doc="of the left parent")
    shared: int = setting(1, doc="of both")


class ConfigRight(ConfigBase):
    right: int = setting(2, doc="of the right parent")
    shared: int = setting(2, doc="of both")


class ConfigTop(ConfigBase):
    top: int = setting(0, doc="of the top")


class ConfigTopLeft(ConfigTop):
    top: int = setting(1, doc="of the left")


class ConfigTopRight(ConfigTop):
    more: int = setting(1, doc="of the right")


def test_a_field_from_two_unrelated_parents_is_refused_with_all_three_names() -> None:
    class ConfigBoth(ConfigLeft, ConfigRight):
        pass

    for _ in range(2):
        with pytest.raises(ConfigMultiInheritanceError) as raised:
            ConfigBoth()
        assert all(name in str(raised.value) for name in ("ConfigBoth", "'shared'", "ConfigLeft", "ConfigRight"))


def test_a_field_that_two_parents_inherit_from_one_ancestor_is_accepted() -> None:
    class ConfigDiamond(ConfigTopLeft, ConfigTopRight):
        pass

    assert (ConfigDiamond().top, ConfigDiamond().more) == (1, 1)
    assert list(fields_of(ConfigDiamond)) == ["top", "more"]


def test_a_section_is_named_after_the_class() -> None:
    assert config_id(ConfigThreadRunner) == "threadrunner"
    assert config_id(ConfigPynenc) == "pynenc"


# -- what is shown -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:pass-word@host:1/0", "redis://user:***@host:1/0"),
        ("redis://:pass-word@host", "redis://:***@host"),
        ("rediss://user:@host", "rediss://user:***@host"),
        ("redis://user:p@ss-word@host", "redis://user:***@host"),
        ("redis://user:pass/word?#@host/0", "redis://***"),
        ("redis://user:pass\nword@host/0", "redis://***"),
        (
            "redis+sentinel://a:1/main?sentinel_user=u&sentinel_password=pass-word",
            "redis+sentinel://a:1/main?sentinel_user=u&sentinel_password=***",
        ),
        (
            "redis+sentinel://a:1/main?sentinel_password=pass?word#x",
            "redis+sentinel://a:1/main?sentinel_password=***#***",
        ),
        ("redis://host?what=pass-word", "redis://host?***"),
        ("redis://user@host:1/0", "redis://user@host:1/0"),
        ("redis://host:1/0", "redis://host:1/0"),
        ("sqlite:////folder/a:b@c.db", "sqlite:////folder/a:b@c.db"),
        ("plain text: a@b", "plain text: a@b"),
    ],
)
def test_the_password_of_a_url_is_masked_and_nothing_else(url: str, shown: str) -> None:
    assert mask(url) == shown
    conf = ConfigEverything({"address": url})
    assert repr(shown) in repr(conf)
    [described] = [row[1] for row in describe(conf) if row[0] == "address"]
    assert described == repr(shown)


def test_a_value_that_is_no_text_is_not_masked() -> None:
    assert mask(5) == 5


def test_an_error_never_shows_the_password_of_a_url_or_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for values in (
        {"address": ["redis://user:hunter2@host"]},
        {"count": "redis://user:hunter2@host"},
        {"token": "HUNTER2"},
        {"token": ["hunter2"]},
    ):
        with pytest.raises(ConfigError) as raised:
            ConfigEverything(values)
        assert "hunter2" not in str(raised.value).lower()
        assert raised.value.__cause__ is None
    monkeypatch.setenv("PYNENC__TOKEN", "HUNTER2")
    with pytest.raises(ConfigError, match=r"got a hidden value \(from environment variable PYNENC__TOKEN\)"):
        ConfigEverything()


def test_a_secret_shows_only_whether_it_is_set() -> None:
    assert {row[0]: row[1] for row in describe(ConfigEverything())}["token"] == "''"
    conf = ConfigRedis({"redis_password": "hunter2", "redis_url": "redis://me:hunter2@host"})
    assert "hunter2" not in repr(conf)
    assert "hunter2" not in str(describe(conf))
    assert {row[0]: row[1] for row in describe(conf)}["redis_password"] == "***"


def test_a_description_has_text_meaning_unit_and_source_in_order_of_declaration() -> None:
    conf = ConfigEverything({"names": ["b", "a"], "labels": {"d", "c"}, "size": "large", "words": []})
    rows = {name: rest for name, *rest in describe(conf)}
    assert list(rows) == list(fields_of(ConfigEverything))
    assert rows["count"] == ["3", "a bounded number", "pieces", "default"]
    assert rows["names"][0] == "b, a"
    assert rows["labels"][0] == "c, d"
    assert rows["words"][0] == "none"
    assert rows["size"] == ["large", "a member by its text", "", "config_values"]


# -- all settings there are --------------------------------------------------------------------------------------------


def _classes() -> list[type[ConfigBase]]:
    for module in pkgutil.iter_modules(pynenc.conf.__path__):
        importlib.import_module(f"pynenc.conf.{module.name}")
    return [cls for cls in all_subclasses(ConfigBase) if cls.__module__.startswith("pynenc.")]


def _settings() -> list[tuple[type[ConfigBase], str, Setting]]:
    return [(cls, name, field) for cls in _classes() for name, field in fields_of(cls).items()]


def test_every_class_has_a_docstring_and_every_setting_a_meaning_in_one_line() -> None:
    assert len(_settings()) > 60
    assert [cls for cls in _classes() if not vars(cls).get("__doc__")] == []
    unclear = [
        f"{cls.__name__}.{name}"
        for cls, name, field in _settings()
        if not field.doc.strip() or "\n" in field.doc or field.doc.endswith(".") or field.name != name
    ]
    assert unclear == []


def test_every_default_obeys_its_own_rules() -> None:
    for cls, name, field in _settings():
        conf = cls()
        setattr(conf, name, field.default_value())
        assert getattr(conf, name) == field.default_value(), f"{cls.__name__}.{name}"


def test_every_time_and_size_says_its_unit() -> None:
    units = {"_sec": "s", "_seconds": "s", "_minutes": "min", "_hours": "h", "_bytes": "bytes", "_length": "characters"}
    wrong = [
        f"{cls.__name__}.{name} is in {field.unit!r}"
        for cls, name, field in _settings()
        for ending, unit in units.items()
        if name.endswith(ending) and field.unit != unit
    ]
    assert wrong == []
