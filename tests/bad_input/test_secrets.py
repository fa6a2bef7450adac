"""No output, error, payload or message of an app contains secrets of its settings."""

from __future__ import annotations

import copy
import importlib
import io
import logging
import multiprocessing
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.processes import Processes
from support.secrecy import SENTINEL, hidden_in
from support.servers import RedisServer
from support.topologies import add_users
from support.worlds import shared_redis_with_users

from pynenc import Pynenc
from pynenc._kernel.runtime import AppRuntime
from pynenc.app_info import AppInfo
from pynenc.cli._app import config_lines
from pynenc.cli.redis_acl import user_of
from pynenc.conf.base import ConfigBase, describe, setting
from pynenc.exceptions import ConfigError
from pynenc.serializer.json_pickle_serializer import JsonPickleSerializer
from pynenc.serializer.pickle_serializer import PickleSerializer

ANOTHER = "4noth3r-s3cr3t"
URLS = [
    f"redis://me:{ANOTHER}@127.0.0.1:1/0",
    f"redis://:{ANOTHER}@127.0.0.1:1",
    f"rediss+cluster://me:{ANOTHER}@127.0.0.1:1",
    f"redis+sentinel://127.0.0.1:1/main?sentinel_user=me&sentinel_password={ANOTHER}",
    f"redis+sentinel://me:{ANOTHER}@127.0.0.1:1/main?sentinel_password={ANOTHER}",
    f"redis+unix://me:{ANOTHER}@/no/such.sock",
    f"redis+sentinel://127.0.0.1:1/main?sentinel_password=a?{ANOTHER}",
]
UNREADABLE = [
    *(f"redis://me:{password}@127.0.0.1:1/0" for password in (f"a/{ANOTHER}", f"{ANOTHER}?b", f"1#{ANOTHER}")),
    *(f"redis+sentinel://h:1/main?sentinel_password={text}" for text in (f"a&{ANOTHER}", f"a#{ANOTHER}")),
    *(f"redis://me:{ANOTHER}", f"redis:/me:{ANOTHER}@h", f"me:{ANOTHER}@h", ANOTHER, f"redis://h/{ANOTHER}"),
    *(f"redis://h?password={ANOTHER}", f"postgres://me:a/{ANOTHER}@h/db", f"x://me:a\n{ANOTHER}@h"),
    *(f"sqlite://me:{ANOTHER}@h/x", f"memory://me:{ANOTHER}@h", f"redis+udp://me:{ANOTHER}@h"),
]


class ConfigWithSecrets(ConfigBase):
    """Settings of a user."""

    api_token: str = setting("", secret=True, doc="a token")
    places: list[str] = setting((), doc="addresses")


def _shown(app: Pynenc, caplog: pytest.LogCaptureFixture) -> Iterator[tuple[str, str]]:
    """Return every description of an app that needs no server, by name."""
    yield "show_config", "\n".join(config_lines(app.conf))
    yield "the description of its settings", str(describe(app.conf))
    yield "its repr", repr(app) + repr(app.conf)
    yield "config_values", f"{app.config_values} {app.config_values!r}"
    info = AppInfo.from_app(app)
    yield "its AppInfo", f"{info} {info!r}"
    for name, each in (("app", app), ("settings", app.conf), ("AppInfo", info), ("config_values", app.config_values)):
        yield f"the pickle of its {name}", pickle.dumps(each).decode("latin-1")
        yield f"the payload of its {name}", PickleSerializer().to_bytes(each).decode("latin-1")
        if not isinstance(each, dict):
            yield f"the jsonpickle of its {name}", JsonPickleSerializer.serialize(each)
    try:
        app.orchestrator.count_invocations()
    except Exception as error:
        yield "an error of its store", f"{error} {error!r}" + "".join(traceback.format_exception(error))
        context: BaseException | None = error
        while context is not None:
            yield "the context of an error", f"{context!r}"
            context = context.__cause__ or context.__context__
    yield "its log", caplog.text


@pytest.mark.parametrize("source", ["config_values", "environment"])
@pytest.mark.parametrize("url", [*URLS, *UNREADABLE])
def test_no_part_of_a_url_that_may_be_a_password_is_shown(
    url: str, source: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    values = {"redis_password": SENTINEL, "redis": {"redis_password": SENTINEL}}
    if source == "environment":
        monkeypatch.setenv("PYNENC__STORE_URL", url)
    else:
        values["store_url"] = url
    if url in URLS:
        # A server that could be reached would make the test wait.
        monkeypatch.setattr(AppRuntime, "_open", lambda runtime: runtime.conf.no_such_setting)
    with caplog.at_level(logging.DEBUG):
        hidden_in(_shown(Pynenc("secretive", values), caplog), SENTINEL, ANOTHER)


@pytest.mark.parametrize("url", URLS)
def test_parts_of_a_url_that_are_no_secret_are_shown(url: str) -> None:
    shown = repr(Pynenc("secretive", {"store_url": url}).conf)
    assert url.partition("://")[0] + "://" in shown
    assert "***" in shown
    assert "/no/such.sock" in shown or "127.0.0.1:1" in shown


def test_settings_of_a_user_are_masked_by_what_they_declare_and_by_what_they_hold() -> None:
    conf = ConfigWithSecrets({"api_token": ANOTHER, "places": [URLS[0], UNREADABLE[0]]})
    hidden_in([("repr", repr(conf)), ("pickle", pickle.dumps(conf).decode("latin-1"))], ANOTHER)
    assert copy.copy(conf).api_token == copy.deepcopy(conf).api_token == ANOTHER
    assert copy.deepcopy(conf).places == conf.places
    with pytest.raises(ConfigError) as raised:
        ConfigWithSecrets({"places": {"redis_password": ANOTHER, "url": URLS[0]}})
    hidden_in([("the error", str(raised.value))], ANOTHER)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "redis_password: {}\n  broken: ["),
        ("b.yaml", "redis_password: *{}"),
        ("c.yaml", "redis_password: !{} x"),
        ("d.yaml", "redis_password: '{}"),
        ("e.json", '{{"redis_password": "{}" broken'),
        ("f.toml", 'redis_password = "{}'),
        ("g.toml", "redis_password = {}"),
        ("h.toml", "{0} = 1\n{0} = 2"),
    ],
)
def test_a_file_that_cannot_be_read_is_not_quoted(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text.format(ANOTHER))
    with pytest.raises(ConfigError) as raised:
        _ = Pynenc("secretive", config_filepath=str(tmp_path / name)).conf
    assert name in str(raised.value)
    assert " at " in str(raised.value)
    chain: list[BaseException] = [raised.value]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(before)
    hidden_in([("the traceback", "".join(traceback.format_exception(raised.value))), ("a cause", repr(chain))], ANOTHER)


def test_the_command_line_shows_no_secret_of_a_file_even_with_tracebacks(
    processes: Processes, tmp_path: Path, sqlite_env: None
) -> None:
    (tmp_path / "bad.yaml").write_text(f"redis_password: '{ANOTHER}\n")
    for words in (["show_config"], ["runner", "start"], ["monitor"]):
        child = processes.python(
            "-m", "pynenc", "-v", "--app", "support.jobs", *words, PYNENC__FILEPATH=str(tmp_path / "bad.yaml")
        )
        assert child.wait() == 1
        hidden_in([(" ".join(words), child.output())], ANOTHER)


# -- on its way to other processes -------------------------------------------------------------------------------------


def test_a_pickled_app_is_the_app_of_the_process_that_loads_it() -> None:
    values = {"store_url": URLS[4], "redis_password": SENTINEL, "logging_level": "error"}
    app = Pynenc("secretive", values)
    another = Pynenc("secretive", {**values, "logging_level": "debug"})
    for each in (app, another):
        assert pickle.loads(pickle.dumps(each)) is copy.copy(each) is copy.deepcopy(each) is each
    kept = pickle.dumps(app)
    Pynenc._clear_instances()
    alone = pickle.loads(kept)
    assert (alone.app_id, alone.conf.redis_password, alone.conf.logging_level) == (
        "secretive",
        "",
        app.conf.logging_level,
    )
    assert alone.conf.store_url == "redis+sentinel://me@127.0.0.1:1/main"


def _password_of(app: Pynenc, answer: Any) -> None:
    answer.send((app.conf.redis_password, app.conf.store_url))


def test_a_process_that_multiprocessing_starts_has_the_secrets() -> None:
    app = Pynenc("secretive", {"store_url": URLS[0], "redis_password": SENTINEL})
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_password_of, args=(app, theirs))
    child.start()
    assert ours.poll(60)
    assert ours.recv() == (SENTINEL, URLS[0])
    child.join(60)
    assert child.exitcode == 0


def _everything_of(server: RedisServer, app_id: str) -> Iterator[tuple[str, str]]:
    """Every key and value of an app."""

    def ask(*words: str | bytes) -> Any:
        return server.ask_as(user_of("admin", app_id), SENTINEL, *words)

    readers = {
        "string": ("GET",), "hash": ("HGETALL",), "set": ("SMEMBERS",),
        "zset": ("ZRANGE", "0", "-1"), "list": ("LRANGE", "0", "-1"),
    }  # fmt: skip
    for key in server.ask_as("operator", SENTINEL, "KEYS", f"{{{app_id}:*"):
        command, *rest = readers[ask("TYPE", key)]
        yield repr(key), repr(key) + repr(ask(command, key, *rest))


CODE = """\
from pynenc import Pynenc

app = Pynenc(config_values={settings!r})


@app.task
def who(other, conf, task):
    return other.app_id, conf.app_id, str(task.task_id)


@app.task
def fail(other, conf):
    raise ValueError("a failure of the app", other, conf)
"""


@pytest.mark.parametrize("serializer", ["PickleSerializer", "JsonPickleSerializer"])
def test_a_run_on_redis_leaves_the_password_nowhere(
    serializer: str,
    processes: Processes,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server, app_id = shared_redis_with_users(), f"secretive-{serializer}-{tmp_path.name}"
    add_users(server, app_id)
    settings = {
        "app_id": app_id, "serializer_cls": serializer, "print_arguments": True, "argument_print_mode": "FULL",
        "store_url": f"redis://{user_of('worker', app_id)}:{SENTINEL}@127.0.0.1:{server.port}",
        "redis_username": user_of("worker", app_id), "redis_password": SENTINEL, "logging_level": "debug",
    }  # fmt: skip
    module = f"app_of_{serializer.lower()}"
    (tmp_path / f"{module}.py").write_text(CODE.format(settings=settings))
    monkeypatch.syspath_prepend(tmp_path)
    jobs = importlib.import_module(module)
    stream = io.StringIO()
    jobs.app.logger.addHandler(logging.StreamHandler(stream))
    child = processes.started_runner(module)
    other = Pynenc("other", {"redis_password": SENTINEL, "store_url": settings["store_url"]})
    for app in (jobs.app, other):
        found = jobs.who(app, jobs.app.conf, jobs.who).get_result(timeout=60)
        assert found == (app.app_id, app_id, f"{module}.who")
    failed = jobs.fail(jobs.app, jobs.app.conf)
    with pytest.raises(Exception, match="a failure of the app"):
        failed.get_result(timeout=60)
    history = repr(jobs.app.state_backend.get_history(failed))
    shown = capsys.readouterr()
    texts = [*_everything_of(server, app_id), ("the runner", child.output()), ("the client", shown.out + shown.err)]
    assert len(texts) > 4
    hidden_in([*texts, ("the log", stream.getvalue()), ("the history", history)], SENTINEL)
