"""Which source wins: the environment over a builder, a decorator over `task_defaults`, a section over none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.jobs import shapes

from pynenc import Pynenc, PynencBuilder
from pynenc.conf.base import ConfigBase, setting
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.conf.config_task import ConfigTask
from pynenc.conf.store_url import resolve_store_url
from pynenc.conf.unknown import unknown_settings
from pynenc.exceptions import ConfigError
from pynenc.identifiers import TaskId

PAY = TaskId("shop.tasks", "pay")


def _url(build: Callable[[PynencBuilder], PynencBuilder]) -> str:
    """The URL of the store that such an app has; a path as it was given."""
    url = resolve_store_url(build(PynencBuilder().app_id("precedence")).build().conf)
    return url.replace(f"{Path.cwd()}/", "")


# -- where the store is --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "variable", "value", "url"),
    [
        (lambda b: b.sqlite("code.db"), "SQLITE_DB_PATH", "env.db", "sqlite:///env.db"),
        (lambda b: b.sqlite("code.db"), "CONFIGSQLITE__SQLITE_DB_PATH", "env.db", "sqlite:///env.db"),
        (lambda b: b.redis("redis://code"), "REDIS_URL", "redis://env:1/2", "redis://env:1/2"),
        (lambda b: b.redis("redis://code", db=3), "CONFIGREDIS__REDIS_URL", "redis://env:1/2", "redis://env:1/2"),
        (lambda b: b.redis(), "REDIS_HOST", "env", "redis://env:6379/0"),
        (lambda b: b.redis(db=3), "REDIS_DB", "4", "redis://localhost:6379/4"),
        (lambda b: b.memory(), "STORE_URL", "sqlite:///env.db", "sqlite:///env.db"),
        (lambda b: b.sqlite("code.db"), "STORE_URL", "redis://env", "redis://env"),
        (lambda b: b.redis("redis://code"), "STORE_URL", "memory://", "memory://"),
        (lambda b: b.store("sqlite:///code.db"), "SQLITE_DB_PATH", "env.db", "sqlite:///env.db"),
        (lambda b: b.store("redis://code"), "REDIS_URL", "redis://env", "redis://env"),
        (lambda b: b.store("sqlite:///code.db"), "BROKER_CLS", "MemBroker", "memory://"),
        # The path of another kind of store does not affect this store.
        (lambda b: b.memory(), "SQLITE_DB_PATH", "env.db", "memory://"),
        (lambda b: b.redis("redis://code"), "SQLITE_DB_PATH", "env.db", "redis://code"),
    ],
)
def test_the_environment_overrides_the_store_of_a_builder(
    monkeypatch: pytest.MonkeyPatch, build: Any, variable: str, value: str, url: str
) -> None:
    monkeypatch.setenv(f"PYNENC__{variable}", value)
    assert _url(build) == url


def test_without_the_environment_the_store_is_what_the_builder_said() -> None:
    assert _url(lambda b: b.memory().sqlite("code.db")) == "sqlite:///code.db"
    assert _url(lambda b: b.sqlite("code.db").redis("redis://code")) == "redis://code"
    assert _url(lambda b: b.redis("redis://code").memory()) == "memory://"
    assert _url(lambda b: b.sqlite("code.db").store("sqlite:///later.db")) == "sqlite:///later.db"


def test_the_environment_overrides_the_app_id_of_a_builder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__APP_ID", "from-env")
    assert PynencBuilder().app_id("from-code").memory().build().app_id == "from-env"


def test_a_variable_overrides_store_url_of_a_file_only_for_its_own_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pynenc.toml"
    file.write_text('store_url = "sqlite:///file.db"\nsqlite_db_path = "ignored.db"\n')
    assert resolve_store_url(ConfigPynenc({}, str(file))) == "sqlite:///file.db"
    monkeypatch.setenv("PYNENC__REDIS_URL", "redis://env")
    assert resolve_store_url(ConfigPynenc({}, str(file))) == "sqlite:///file.db"
    monkeypatch.setenv("PYNENC__SQLITE_DB_PATH", "env.db")
    assert resolve_store_url(ConfigPynenc({}, str(file))) == "sqlite:///env.db"


def test_an_assigned_path_wins_over_a_store_url_that_was_not_assigned() -> None:
    conf = ConfigPynenc({"store_url": "sqlite:///code.db"})
    conf.sqlite_db_path = "assigned.db"
    assert resolve_store_url(conf) == "sqlite:///assigned.db"
    conf.store_url = "sqlite:///later.db"
    assert resolve_store_url(conf) == "sqlite:///later.db"


def test_a_refused_assignment_leaves_the_strength_of_its_setting(tmp_path: Path) -> None:
    app = Pynenc("precedence-refused", {"store_url": f"sqlite:///{tmp_path}/code.db"})
    app.orchestrator.count_invocations()
    with pytest.raises(Exception, match="store"):
        app.conf.sqlite_db_path = str(tmp_path / "other.db")
    assert resolve_store_url(app.conf) == f"sqlite:///{tmp_path}/code.db"


# -- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pyproject.toml", "other-pyproject.toml"])
def test_a_config_filepath_that_ends_in_pyproject_is_read_as_one(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text("lease_sec = 1\n[tool.pynenc]\nlease_sec = 7\n[tool.pynenc.task]\nmax_retries = 2\n")
    conf = ConfigPynenc({}, str(file))
    assert (conf.lease_sec, conf.source_of("lease_sec")) == (7, f"file {file}")
    assert ConfigTask({}, str(file)).max_retries == 2
    # Settings of other tools are no misspelt settings.
    assert not [key for source, key, _ in unknown_settings({}, str(file)) if source.startswith("file")]


def test_a_pyproject_without_our_table_has_no_settings_and_a_wrong_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text("[project]\nname = 'shop'\n")
    assert ConfigPynenc({}, str(file)).source_of("lease_sec") == "default"
    file.write_text("[tool]\npynenc = 3\n")
    with pytest.raises(ConfigError, match=r"\[tool\.pynenc\] of .*pyproject\.toml must be a table, got int"):
        ConfigPynenc({}, str(file))


class PostageConfig(ConfigBase):
    stamp: str = setting("none", doc="what is glued on")


class ConfigParcel(PostageConfig):
    weight: int = setting(1, doc="how heavy")


@pytest.mark.parametrize("section", ["postage", "parcel"])
def test_the_section_of_a_class_has_its_name_without_config_wherever_that_stands(section: str) -> None:
    values = {section: {"stamp": "blue"}}
    assert ConfigParcel(values).stamp == "blue"
    assert PostageConfig(values).stamp == ("blue" if section == "postage" else "none")
    assert not list(unknown_settings(values, None))


# -- tasks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["code", "file", "environment"])
def test_a_decorator_overrides_task_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    file = tmp_path / "pynenc.toml"
    values: dict[str, Any] = {}
    if where == "code":
        values = {"task_defaults": {"max_retries": 5, "queue": "slow"}}
    elif where == "file":
        file.write_text('[task_defaults]\nmax_retries = 5\nqueue = "slow"\n')
    else:
        monkeypatch.setenv("PYNENC__TASK_DEFAULTS__MAX_RETRIES", "5")
        monkeypatch.setenv("PYNENC__TASK_DEFAULTS__QUEUE", "slow")
    path = str(file) if where == "file" else None
    conf = ConfigTask(values, path, task_id=PAY, task_options={"max_retries": 1})
    assert (conf.max_retries, conf.source_of("max_retries")) == (1, f"the decorator of task {PAY}")
    assert conf.queue == "slow"
    assert ConfigTask(values, path).max_retries == 5
    assert not list(unknown_settings(values, path))


def test_task_defaults_rank_from_code_to_environment_and_all_below_what_names_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pynenc.toml"
    file.write_text('[task_defaults]\nmax_retries = 2\nqueue = "file"\n[task."shop.tasks.pay"]\npriority = 9\n')
    monkeypatch.setenv("PYNENC__TASK_DEFAULTS__MAX_RETRIES", "3")
    monkeypatch.setenv("PYNENC__TASK_DEFAULTS__PRIORITY", "1")
    values = {"task_defaults": {"max_retries": 1, "queue": "code", "parallel_batch_size": 7}}
    conf = ConfigTask(values, str(file), task_id=PAY)
    assert (conf.max_retries, conf.queue, conf.parallel_batch_size, conf.priority) == (3, "file", 7, 9)
    monkeypatch.setenv("PYNENC__CONFIGTASK__MAX_RETRIES", "4")
    assert ConfigTask(values, str(file), task_id=PAY, task_options={"max_retries": 0}).max_retries == 4


def test_a_wrong_task_default_is_named_with_its_section() -> None:
    with pytest.raises(ConfigError, match=r"ConfigTask\.max_retries .*section 'task_defaults'"):
        ConfigTask({"task_defaults": {"max_retries": -1}})
    [(source, key, hint)] = unknown_settings({"task_defaults": {"max_retry": 1}}, None)
    assert (source, key) == ("config_values, section 'task_defaults'", "max_retry")
    assert "max_retries" in hint


def test_the_builder_sets_task_defaults() -> None:
    builder = PynencBuilder().app_id("precedence-tasks").memory()
    app = builder.task_defaults(max_retries=4, queue=None).task_defaults(priority=2.0).build()
    assert app.task(shapes.calm).conf.max_retries == 4
    assert app.task(max_retries=1)(shapes.calm).conf.max_retries == 1
    assert app.task(shapes.calm).conf.priority == 2.0
