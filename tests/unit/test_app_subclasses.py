"""Subclasses of `Pynenc` with their own constructors."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from support.jobs import shapes

from pynenc import Pynenc
from pynenc.exceptions import ConfigError


class RegionApp(Pynenc):
    """A subclass whose constructor has other parameters than that of `Pynenc`, and with its own attributes."""

    def __init__(self, region: str, *, token: str = "", rooms: Any = ()) -> None:
        self.region = region
        super().__init__(f"shop-{region}", {"store_url": "memory://", "lease_sec": 7.0})
        self.token = token
        self.rooms = rooms


class FourthApp(Pynenc):
    """Calls the constructor of `Pynenc` in its other form, settings first."""

    def __init__(self, **settings: Any) -> None:
        super().__init__({"app_id": "fourth", "store_url": "memory://", **settings})


class Room:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("rooms cannot be compared")

    __hash__ = None  # type: ignore[assignment]


def test_a_subclass_gets_its_own_arguments_and_is_an_app_like_any_other() -> None:
    app = RegionApp("eu", token="t")
    assert (app.app_id, app.region, app.token, app.conf.lease_sec) == ("shop-eu", "eu", "t", 7.0)
    app.task(shapes.calm)
    app.conf.dev_mode_force_sync_tasks = True
    assert shapes.calm.__name__ in str(*app.tasks)


def test_the_same_arguments_give_the_same_app_by_position_or_by_name() -> None:
    app = RegionApp("eu")
    assert RegionApp("eu") is app
    assert RegionApp(region="eu") is app
    assert RegionApp("us") is not app
    other = RegionApp("eu", token="t")
    assert other is not app
    assert (other.token, app.token) == ("t", "")


def test_arguments_that_cannot_be_compared_make_another_app() -> None:
    assert RegionApp("eu", rooms=Room()) is not RegionApp("eu", rooms=Room())


def test_the_constructor_of_the_base_class_takes_settings_first_too() -> None:
    app = FourthApp(lease_sec=3.0)
    assert (app.app_id, app.conf.lease_sec) == ("fourth", 3.0)
    assert FourthApp(lease_sec=3.0) is app
    assert FourthApp() is not app


def test_arguments_that_do_not_fit_are_refused_as_by_any_function() -> None:
    make: Any = RegionApp
    with pytest.raises(TypeError, match="regoin"):
        make(regoin="eu")
    with pytest.raises(ConfigError, match="must not be empty"):
        type("NamelessApp", (RegionApp,), {"__init__": lambda self: Pynenc.__init__(self, "")})()


def test_a_pickle_is_the_same_app_and_makes_it_again_from_its_arguments_less_secrets() -> None:
    app = RegionApp("eu", token="hunter2")
    assert pickle.loads(pickle.dumps(app)) is app
    assert copy.deepcopy(app) is app
    assert b"hunter2" not in pickle.dumps(app)
    Pynenc._clear_instances()
    again = pickle.loads(pickle.dumps(app))
    assert again is not app
    assert (type(again), again.region, again.app_id, again.token) == (RegionApp, "eu", "shop-eu", "")


def test_a_list_that_can_be_read_once_is_read_once() -> None:
    app = Pynenc("once", {"store_url": "memory://", "trigger_task_modules": (name for name in ("json", "math"))})
    assert app.conf.trigger_task_modules == ("json", "math")
    app.config_filepath = None
    assert app.conf.trigger_task_modules == ("json", "math")
    assert Pynenc("once", {"store_url": "memory://", "trigger_task_modules": ["json", "math"]}) is app


@pytest.mark.parametrize("many", [["a", "b"], ("a", "b"), {"a": 1, "b": 2}.keys(), frozenset(["a", "b"]), "a, b"])
def test_a_setting_with_several_names_takes_any_iterable(many: Any) -> None:
    app = Pynenc("many", {"trigger_task_modules": many})
    assert sorted(app.conf.trigger_task_modules) == ["a", "b"]


def test_a_mapping_is_no_list_of_names() -> None:
    with pytest.raises(ConfigError, match="trigger_task_modules must be a list of names"):
        _ = Pynenc("mapping", {"trigger_task_modules": {"a": 1}}).conf
