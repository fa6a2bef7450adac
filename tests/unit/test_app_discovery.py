"""The apps that specs find, and the errors if they find none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.modules import forgotten_modules, write_file

from pynenc import Pynenc
from pynenc.cli.app_discovery import find_app
from pynenc.exceptions import AppDiscoveryError

ONE = "from pynenc import Pynenc\n{name} = Pynenc('{id}')\n"


@pytest.fixture(autouse=True)
def modules_are_forgotten(isolated: None) -> Iterator[None]:
    """Imports and path entries of a test do not affect the next test."""
    with forgotten_modules():
        yield


@pytest.fixture
def shop() -> None:
    """A package with an app in one module, and a module that imports it."""
    write_file("shop/__init__.py", "")
    write_file("shop/core.py", ONE.format(name="app", id="shop"))
    write_file("shop/work.py", "from shop.core import app\nalias = app\n")


@pytest.mark.parametrize(
    ("spec", "variable", "module"),
    [
        ("shop.core", "app", "shop.core"),
        ("shop.core:app", "app", "shop.core"),
        ("shop.core.app", "app", "shop.core"),
        ("shop/core.py", "app", "shop.core"),
        ("./shop/core.py:app", "app", "shop.core"),
        ("./shop/core", "app", "shop.core"),
        ("shop.work", "app", "shop.work"),
        ("shop.work:alias", "alias", "shop.work"),
        ("shop.work:app", "app", "shop.work"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_every_form_of_a_spec_finds_the_app(spec: str, variable: str, module: str) -> None:
    found = find_app(spec)
    assert (found.app.app_id, found.module, found.variable) == ("shop", module, variable)
    assert found.location == f"{module}:{variable} ({Path(*module.split('.')).with_suffix('.py').absolute()})"


@pytest.mark.usefixtures("shop")
def test_an_app_in_a_package_is_found_by_the_name_or_the_folder_of_the_package() -> None:
    write_file("shop/__init__.py", "from shop.core import app\n")
    assert find_app("shop").app is find_app("./shop").app is find_app("shop/__init__.py").app


@pytest.mark.usefixtures("shop")
def test_the_package_may_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    found = find_app("../shop/core.py")
    assert found.module == "shop.core"
    assert found.app is find_app(str(tmp_path / "shop" / "core.py")).app


def test_the_working_directory_comes_first_on_the_path() -> None:
    write_file("mine.py", ONE.format(name="app", id="mine"))
    assert find_app("mine").app.app_id == "mine"
    assert sys.path[0] == str(Path.cwd())


def test_an_app_may_be_an_attribute_of_an_object() -> None:
    write_file("deep.py", "from pynenc import Pynenc\nclass Site:\n    app = Pynenc('deep')\n")
    assert find_app("deep:Site.app").app.app_id == "deep"


def test_a_file_and_its_module_are_the_same_module() -> None:
    write_file("tasks.py", ONE.format(name="app", id="same"))
    assert find_app("tasks.py").app is find_app("tasks").app


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("no.such.module", ["no module 'no'"]),
        ("shop.nothing", ["shop.nothing"]),
        ("shop.core.nothing", ["no 'nothing'", "app"]),
        ("shop.core:nothing", ["no 'nothing'", "app"]),
        ("shop.core:app.nothing", ["no 'app.nothing'"]),
        ("shop", ["no Pynenc app"]),
        ("./shop/nothing.py", ["no such file"]),
        ("shop/nothing.py:app", ["no such file"]),
        ("./data", ["folder without"]),
        ("./data/table.txt", ["no Python file"]),
        ("os:system", ["builtin_function_or_method", "not a Pynenc app"]),
        ("shop.core:Pynenc", ["not a Pynenc app"]),
        ("../", ["folder without"]),
        ("/", ["folder without"]),
        ("..", ["names no app"]),
        (".", ["names no app"]),
        ("", ["names no app"]),
        ("   ", ["names no app"]),
        ("shop.core:", ["names no app"]),
        (":app", ["names no app"]),
        ("shop core", ["names no app"]),
        ("shop..core", ["names no app"]),
        ("-m", ["names no app"]),
        ("1shop", ["names no app"]),
        ("shop\x00.core", ["names no app", "\\x00"]),
        ("a\n/b.py", ["names no app", "\\n"]),
        ("x" * 10_000, ["no module"]),
        ("./" + "x" * 10_000 + ".py", ["cannot look at it"]),
        ("./data/two words.py", ["no module name"]),
        ("./data/json.py", ["rename the file"]),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, str) else "",
)
@pytest.mark.usefixtures("shop")
def test_a_spec_that_finds_no_app_says_why(spec: str, words: list[str]) -> None:
    write_file("data/table.txt", "")
    write_file("data/two words.py", "")
    write_file("data/json.py", "")
    with pytest.raises(AppDiscoveryError) as raised:
        find_app(spec)
    for word in words:
        assert word in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_dependency\n", ["ModuleNotFoundError", "no_such_dependency"]),
        ("x = (\n", ["SyntaxError"]),
        ("import os\nraise LookupError('on purpose')\n", ["LookupError", "on purpose", "broken.py:2"]),
        ("import sys\nsys.exit('leaving')\n", ["SystemExit", "leaving"]),
    ],
    ids=["dependency", "syntax", "exception", "exit"],
)
@pytest.mark.parametrize("spec", ["broken", "broken.py", "broken:app", "broken.app"])
def test_an_import_that_fails_is_shown(spec: str, text: str, words: list[str]) -> None:
    write_file("broken.py", text)
    with pytest.raises(AppDiscoveryError) as raised:
        find_app(spec)
    for word in ["importing broken", "failed with", *words]:
        assert word in str(raised.value)


def test_the_error_about_several_apps_names_them() -> None:
    write_file("two.py", ONE.format(name="one", id="one") + ONE.format(name="other", id="other"))
    with pytest.raises(AppDiscoveryError, match=r"two:one, two:other"):
        find_app("two")
    assert find_app("two:other").app.app_id == "other"


def test_a_search_without_a_spec_finds_the_only_app() -> None:
    write_file("helpers.py", "raise RuntimeError('not about the app, so not imported')\n")
    write_file("one.py", ONE.format(name="app", id="only"))
    write_file("two.py", "from one import app  # Pynenc\nraise RuntimeError('makes no app, so not imported')\n")
    found = find_app()
    assert isinstance(found.app, Pynenc)
    assert (found.app.app_id, found.module) == ("only", "one")


MAKES = {
    "a call": "from pynenc import Pynenc\napp = Pynenc('x')\n",
    "over the package": "import pynenc\napp = pynenc.Pynenc('x')\n",
    "renamed": "from pynenc import Pynenc as P\napp = P('x')\n",
    "a subclass": "from pynenc import Pynenc\nclass Mine(Pynenc): ...\napp = Mine('x')\n",
    "the builder": "from pynenc.builder import PynencBuilder\napp = PynencBuilder().app_id('x').memory().build()\n",
    "in a condition": "from pynenc import Pynenc\nif True:\n    app = Pynenc('x')\n",
}


@pytest.mark.parametrize("form", MAKES)
def test_the_file_that_makes_an_app_is_recognised_by_its_text(form: str) -> None:
    write_file("maker.py", MAKES[form])
    write_file("other.py", "import sys\nsys.exit('Pynenc, imported')\n")
    write_file("factory.py", "from pynenc import Pynenc\ndef make():\n    return Pynenc('y')\nraise SystemExit\n")
    assert find_app().app.app_id == "x"


@pytest.mark.parametrize("names", [("one.py", "two.py"), ("app.py", "zoo.py"), ("pynenc_app.py", "tasks.py")])
def test_without_a_spec_several_candidates_are_named_and_none_is_imported(names: tuple[str, str]) -> None:
    for name in names:
        write_file(name, ONE.format(name="app", id=name) + "raise RuntimeError('imported')\n")
    before = set(sys.modules)
    with pytest.raises(AppDiscoveryError, match=rf"2 files .* make a Pynenc app.*--app: {names[0]}, {names[1]}"):
        find_app()
    assert set(sys.modules) - before == set()


def test_the_error_without_a_spec_or_an_app_says_what_was_searched() -> None:
    with pytest.raises(AppDiscoveryError, match="makes a Pynenc app"):
        find_app()
    write_file("only.py", "# Pynenc\n")
    with pytest.raises(AppDiscoveryError, match=r"only\.py"):
        find_app()


def test_a_file_that_cannot_be_read_is_left_out_of_the_search_and_named() -> None:
    write_file("broken.py", "from pynenc import Pynenc\ndef broken(:\n")
    with pytest.raises(AppDiscoveryError, match=r"makes a Pynenc app; broken\.py cannot be read: SyntaxError"):
        find_app()
    write_file("shop.py", ONE.format(name="app", id="the one"))
    assert find_app().app.app_id == "the one"


def test_the_only_candidate_that_fails_to_import_is_named_with_the_reason() -> None:
    write_file("tasks.py", ONE.format(name="app", id="x") + "raise RuntimeError('half written')\n")
    with pytest.raises(AppDiscoveryError, match=r"tasks\.py: .*RuntimeError: half written"):
        find_app()


@pytest.mark.parametrize(
    ("spec", "near"),
    [
        ("shop.cor", "shop.core"),
        ("shop.cor:app", "shop.core"),
        ("shp.core", "shop"),
        ("shop.core:ap", "app"),
        ("shop.core.apq", "app"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_a_spec_with_a_misspelt_name_is_answered_with_a_near_one(spec: str, near: str) -> None:
    with pytest.raises(AppDiscoveryError, match=rf"did you mean (\S+ or )*{near}\b"):
        find_app(spec)
