"""Selection of a class by its name."""

from __future__ import annotations

import pytest

from pynenc.util.subclasses import all_subclasses, get_subclass


class Root:
    pass


class Leaf(Root):
    pass


class Deep(Leaf):
    pass


def test_a_class_is_found_by_name_however_deep_it_is() -> None:
    assert get_subclass(Root, "Deep") is Deep
    assert set(all_subclasses(Root)) >= {Leaf, Deep}


def test_the_newest_definition_of_a_name_wins() -> None:
    first = type("Twice", (Root,), {})
    second = type("Twice", (Root,), {})
    assert get_subclass(Root, "Twice") is second
    assert first is not second


def test_a_class_with_the_name_of_one_of_ours_takes_its_place_only_if_it_derives_from_it() -> None:
    class Ours(Root):
        pass

    Ours.__module__ = "pynenc.somewhere"
    derived = type("Ours", (Ours,), {"__module__": "shop"})
    assert get_subclass(Root, "Ours") is derived
    stranger = type("Ours", (Root,), {"__module__": "plugin"})
    with pytest.raises(ValueError, match=r"'Ours' is a Root of pynenc, and also one of plugin, .* Rename the latter"):
        get_subclass(Root, "Ours")
    stranger.__name__ = "Renamed"
    assert get_subclass(Root, "Ours") is derived


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="Unknown subclass") as raised:
        get_subclass(Root, "Missing")
    assert "'Missing'" in str(raised.value)
    assert "Deep, Leaf" in str(raised.value)


def test_the_base_itself_is_no_subclass() -> None:
    with pytest.raises(ValueError, match="Unknown subclass"):
        get_subclass(Root, "Root")
