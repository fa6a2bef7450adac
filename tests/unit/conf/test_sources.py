"""Where settings come from, and which source wins."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pynenc.conf.base import ConfigBase, setting
from pynenc.conf.sources import environment_layers, read_file, section_layers
from pynenc.exceptions import ConfigError, ConfigFileError


class ConfigShop(ConfigBase):
    """A class with its own parent section."""

    limit: int = setting(0, doc="a number")
    name: str = setting("", doc="a text")


class ConfigCornerShop(ConfigShop):
    """Its child."""

    limit: int = setting(1, doc="a number, with another default")


Source = tuple[str, Callable[[pytest.MonkeyPatch, Path, int], dict[str, Any] | None]]


def _toml(path: Path, value: int) -> str:
    path.write_text(f"limit = {value}\n")
    return str(path)


def _config_values(_: pytest.MonkeyPatch, folder: Path, value: int) -> dict[str, Any]:
    return {"config_values": {"limit": value}}


def _pyproject(_: pytest.MonkeyPatch, folder: Path, value: int) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.pynenc]\nlimit = {value}\n")


def _config_filepath(_: pytest.MonkeyPatch, folder: Path, value: int) -> dict[str, Any]:
    return {"config_filepath": _toml(folder / "given.toml", value)}


def _file_in(variable: str) -> Any:
    def prepare(monkeypatch: pytest.MonkeyPatch, folder: Path, value: int) -> None:
        monkeypatch.setenv(variable, _toml(folder / f"{variable}.toml", value))

    return prepare


def _in(variable: str) -> Any:
    def prepare(monkeypatch: pytest.MonkeyPatch, folder: Path, value: int) -> None:
        monkeypatch.setenv(variable, str(value))

    return prepare


# From the weakest to the strongest. The values are 101, 102, …, so that each names its source.
ORDER: list[Source] = [
    ("config_values", _config_values),
    ("pyproject.toml", _pyproject),
    ("file {}/given.toml", _config_filepath),
    ("file {}/PYNENC__FILEPATH.toml", _file_in("PYNENC__FILEPATH")),
    ("file {}/PYNENC__CONFIGSHOP__FILEPATH.toml", _file_in("PYNENC__CONFIGSHOP__FILEPATH")),
    ("file {}/PYNENC__CONFIGCORNERSHOP__FILEPATH.toml", _file_in("PYNENC__CONFIGCORNERSHOP__FILEPATH")),
    ("environment variable PYNENC__LIMIT", _in("PYNENC__LIMIT")),
    ("environment variable PYNENC__CONFIGSHOP__LIMIT", _in("PYNENC__CONFIGSHOP__LIMIT")),
    ("environment variable PYNENC__CONFIGCORNERSHOP__LIMIT", _in("PYNENC__CONFIGCORNERSHOP__LIMIT")),
]


@pytest.mark.parametrize("weakest", range(len(ORDER)))
@pytest.mark.parametrize("strongest", range(len(ORDER)))
def test_of_two_sources_the_later_one_in_the_documented_order_wins(
    weakest: int, strongest: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments: dict[str, Any] = {}
    for index in {weakest, strongest}:
        arguments |= ORDER[index][1](monkeypatch, tmp_path, 101 + index) or {}
    winner = max(weakest, strongest)
    conf = ConfigCornerShop(**arguments)
    assert conf.limit == 101 + winner
    assert conf.source_of("limit") == ORDER[winner][0].format(tmp_path)


def test_with_all_sources_at_once_each_stands_when_the_stronger_ones_are_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for count in range(len(ORDER), 0, -1):
        with monkeypatch.context() as patch:
            (tmp_path / "pyproject.toml").unlink(missing_ok=True)
            arguments: dict[str, Any] = {}
            for index in range(count):
                arguments |= ORDER[index][1](patch, tmp_path, 101 + index) or {}
            conf = ConfigCornerShop(**arguments)
            assert conf.limit == 100 + count
            conf.limit = 7
            assert (conf.limit, conf.source_of("limit")) == (7, "assignment")


def test_without_a_source_the_default_stands_that_of_the_child_over_that_of_the_parent() -> None:
    assert (ConfigShop().limit, ConfigCornerShop().limit) == (0, 1)
    assert ConfigCornerShop().source_of("limit") == "default"


@pytest.mark.parametrize("kind", ["config_values", "pyproject", "json", "yaml", "toml"])
def test_within_one_source_the_sections_beat_the_top_level_and_the_childs_the_parents(
    kind: str, tmp_path: Path
) -> None:
    values = {
        "limit": 2,
        "name": "top",
        "shop": {"limit": 3, "name": "parent"},
        "cornershop": {"limit": 4},
        "stranger": {"limit": 5, "name": "stranger"},
    }
    toml = 'limit = 2\nname = "top"\n[{0}shop]\nlimit = 3\nname = "parent"\n[{0}cornershop]\nlimit = 4\n'
    arguments: dict[str, Any] = {}
    if kind == "config_values":
        arguments["config_values"] = values
    elif kind == "pyproject":
        (tmp_path / "pyproject.toml").write_text("[tool.pynenc]\n" + toml.format("tool.pynenc."))
    else:
        path = tmp_path / f"settings.{kind}"
        path.write_text(toml.format("") if kind == "toml" else repr(values).replace("'", '"'))
        arguments["config_filepath"] = str(path)
    child, parent = ConfigCornerShop(**arguments), ConfigShop(**arguments)
    assert (child.limit, child.name) == (4, "parent")
    assert (parent.limit, parent.name) == (3, "parent")
    assert "section 'cornershop'" in child.source_of("limit")
    assert "section 'shop'" in child.source_of("name")


def test_a_section_of_a_weaker_source_loses_to_the_top_level_of_a_stronger_one(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("limit = 9\n")
    conf = ConfigCornerShop({"cornershop": {"limit": 4}}, str(path))
    assert conf.limit == 9


def test_an_empty_environment_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PYNENC__LIMIT", "PYNENC__CONFIGSHOP__LIMIT", "PYNENC__FILEPATH", "PYNENC__CONFIGSHOP__FILEPATH"):
        monkeypatch.setenv(variable, "")
    conf = ConfigShop({"limit": 5})
    assert (conf.limit, conf.source_of("limit")) == (5, "config_values")


def test_files_are_read_again_for_each_object(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    before = ConfigShop(config_filepath=_toml(path, 1))
    after = ConfigShop(config_filepath=_toml(path, 2))
    assert (before.limit, after.limit) == (1, 2)


def test_variables_of_other_classes_and_programs_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__CONFIGOTHER__LIMIT", "no number at all")
    monkeypatch.setenv("PYNENC__NO_SUCH_FIELD", "1")
    monkeypatch.setenv("LIMIT", "8")
    assert ConfigShop({"no_such_field": 1, "shop": "no section"}).limit == 0


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", 'limit = 3\nname = "Tee & Käse"\n'),
        ("a.json", '{"limit": 3, "name": "Tee & Käse"}'),
        ("a.yaml", "limit: 3\nname: Tee & Käse\n"),
        ("a.yml", "limit: 3\nname: Tee & Käse\n"),
        ("a.TOML", 'limit = 3\nname = "Tee & Käse"\n'),
    ],
)
def test_a_file_of_each_kind_is_read_as_utf_8(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_file(tmp_path / name) == {"limit": 3, "name": "Tee & Käse"}


@pytest.mark.parametrize("name", ["a.toml", "a.json", "a.yaml", "a.yml"])
@pytest.mark.parametrize("text", ["", " \n\n"], ids=["empty", "blank"])
def test_an_empty_file_has_no_settings(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_file(tmp_path / name) == {}


def test_a_yaml_file_of_comments_has_no_settings(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# nothing yet\n---\n")
    assert read_file(tmp_path / "a.yaml") == {}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.ini", b"", r"must end in \.toml, \.json, \.yaml or \.yml"),
        ("a", b"", r"must end in"),
        ("a.toml", b"= =", "cannot be read"),
        ("a.toml", b"a = '\xff'", "cannot be read"),
        ("a.json", b"{", "cannot be read"),
        ("a.json", b"[1]", "must hold a mapping, got list"),
        ("a.json", b"[" * 100_000, "cannot be read"),
        ("a.yaml", b"a: [", "cannot be read"),
        ("a.yaml", b"[]", "must hold a mapping, got list"),
        ("a.yaml", b"false", "must hold a mapping, got bool"),
        ("a.yaml", b"!!python/object/apply:os.getcwd []", "cannot be read"),
    ],
)
def test_a_file_that_cannot_work_is_refused_with_its_name(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigFileError, match=reason) as raised:
        ConfigShop(config_filepath=str(path))
    assert repr(str(path)) in str(raised.value)


@pytest.mark.parametrize("name", ["missing.toml", "folder.toml"])
def test_a_file_that_is_not_there_is_refused_with_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ConfigFileError, match=name):
        read_file(tmp_path / name)


def test_a_file_named_by_the_environment_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__CONFIGSHOP__FILEPATH", "nowhere.json")
    with pytest.raises(ConfigError, match=r"nowhere\.json"):
        ConfigShop()


def test_yaml_without_the_package_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = builtins.__import__

    def without_yaml(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "yaml":
            raise ModuleNotFoundError("No module named 'yaml'")
        return really(name, *args, **kwargs)

    (tmp_path / "a.yaml").write_text("limit: 1\n")
    monkeypatch.setattr(builtins, "__import__", without_yaml)
    with pytest.raises(ConfigFileError, match=r"a\.yaml.*PyYAML is not installed: pip install 'pynenc-rs\[yaml\]'"):
        read_file(tmp_path / "a.yaml")


@pytest.mark.parametrize("text", ["", "[project]\nname = 'x'\n", "[tool.other]\nlimit = 3\n", "tool = 3\n"])
def test_a_pyproject_without_our_table_is_none_of_our_business(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert ConfigShop().limit == 0


def test_our_table_in_pyproject_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool]\npynenc = 3\n")
    with pytest.raises(ConfigFileError, match=r"\[tool\.pynenc\] of pyproject\.toml must be a table, got int"):
        ConfigShop()


# -- layers ------------------------------------------------------------------------------------------------------------


def test_layers_come_from_the_weakest_to_the_strongest(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"a": 1, "one": {"a": 2}, "two": 3}
    layers = list(section_layers("here", values, ["one", "two", "three"]))
    assert [layer.source for layer in layers] == ["here", "here, section 'one'"]
    assert [layer.values for layer in layers] == [values, {"a": 2}]
    monkeypatch.setenv("PYNENC__A", "x")
    monkeypatch.setenv("PYNENC__SCOPE__A", "y")
    found = list(environment_layers(["a", "b"], ["", "Scope"]))
    assert [(layer.source, layer.values, layer.is_text) for layer in found] == [
        ("environment variable PYNENC__A", {"a": "x"}, True),
        ("environment variable PYNENC__SCOPE__A", {"a": "y"}, True),
    ]
