"""The error for an unknown name suggests similar ones: runners, options, settings, variables, methods."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.jobs import shapes
from support.seed_runners import RecordingRunner

from pynenc import Pynenc, PynencBuilder
from pynenc.conf.base import offered
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.conf.config_runner import ConfigThreadRunner
from pynenc.conf.unknown import unknown_settings
from pynenc.exceptions import ConfigError, InvalidTaskOptionsError
from pynenc.runner.choose import runner_called, startable_runners
from pynenc.serializer import BaseSerializer, JsonSerializer
from pynenc.util.near_names import did_you_mean, near_names
from pynenc.util.subclasses import get_subclass


def test_near_names_do_not_mind_upper_and_lower_case() -> None:
    assert near_names("threadrunner", ["ThreadRunner", "Broker"]) == ["ThreadRunner"]
    assert did_you_mean("zzz", ["ThreadRunner"], "none is like it") == "none is like it"


# -- classes -------------------------------------------------------------------------------------------------------


def test_only_runners_that_can_be_started_are_listed_and_near_ones_are_suggested() -> None:
    found = startable_runners()
    assert {"AsyncRunner", "MultiThreadRunner", "PersistentProcessRunner", "ProcessRunner", "ThreadRunner"} <= set(
        found
    )
    assert found["RecordingRunner"] is RecordingRunner
    never = {"BaseRunner", "DummyRunner", "ExternalRunner", "ProcessPoolRunner"}
    assert never.isdisjoint(found)
    assert "WorkerFace" not in found
    with pytest.raises(ValueError, match=r"called 'ThredRunner': did you mean .*ThreadRunner.*\?") as raised:
        runner_called("ThredRunner")
    assert all(f"{name}," not in str(raised.value) for name in never)


def test_a_class_name_of_a_setting_is_answered_with_near_ones() -> None:
    with pytest.raises(ValueError, match=r"called 'JsonSerialiser': did you mean JsonSerializer"):
        get_subclass(BaseSerializer, "JsonSerialiser")  # type: ignore[type-abstract]
    assert get_subclass(BaseSerializer, "JsonSerializer") is JsonSerializer  # type: ignore[type-abstract]


# -- tasks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("max_retrys", "did you mean max_retries"),
        ("Queue", "did you mean queue"),
        ("retry_backoff", "retries have no delay in this build; max_retries says how many there are"),
        ("autoretry_for", "it is called retry_for"),
        ("time_limit", "it is called timeout"),
        ("bind", "task.invocation"),
        ("no_such_thing", "the options are "),
    ],
)
def test_an_option_that_does_not_exist_is_answered_with_what_to_write(option: str, hint: str) -> None:
    app: Any = Pynenc("near-options", {"store_url": "memory://"})
    with pytest.raises(InvalidTaskOptionsError, match=f"has no option '{option}': .*") as raised:
        app.task(**{option: 1})(shapes.calm)
    assert hint in str(raised.value)


def test_a_queue_that_the_broker_does_not_have_is_answered_with_near_ones(caplog: pytest.LogCaptureFixture) -> None:
    values: dict[str, Any] = {"store_url": "memory://", "broker": {"queues": ["default", "mail"]}}
    app = Pynenc("near-queues", {**values, "raise_on_queue_mismatch": True})
    with pytest.raises(ConfigError, match=r"names the queue 'mial', which is not among .*: did you mean mail\?"):
        app.task(queue="mial")(shapes.calm)()
    other = Pynenc("near-queues-warned", values)
    other.logger.propagate = True
    with caplog.at_level(logging.WARNING):
        other.task(queue="mails")(shapes.calm)()
    assert "did you mean mail?" in caplog.text


# -- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("PYNENC_STORE_URL", "did you mean PYNENC__STORE_URL?"),
        ("PYNENC_CONFIGTHREADRUNNER_MAX_THREADS", "did you mean PYNENC__CONFIGTHREADRUNNER__MAX_THREADS?"),
        ("PYNENC_FILEPATH", "did you mean PYNENC__FILEPATH?"),
        ("pynenc_store_url", "did you mean PYNENC__STORE_URL?"),
        ("PYNENC__STORE_URI", "did you mean PYNENC__STORE_URL?"),
        ("PYNENC__THREADRUNNER__MAX_THREADS", "PYNENC__CONFIGTHREADRUNNER__MAX_THREADS"),
    ],
)
def test_a_variable_that_nobody_reads_is_answered_with_what_is_meant(
    monkeypatch: pytest.MonkeyPatch, variable: str, hint: str
) -> None:
    monkeypatch.setenv(variable, "1")
    [answer] = [text for source, key, text in unknown_settings({}, None) if key == variable]
    assert hint in answer


@pytest.mark.parametrize("variable", ["PYNENC_CHAOS", "PYNENCSTORE_URL", "MY_PYNENC_STORE_URL", "PYNENC_"])
def test_a_variable_of_somebody_else_is_left_alone(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    assert not [key for _, key, _ in unknown_settings({}, None) if key == variable]


def test_settings_without_effect_are_accepted_and_neither_suggested_nor_completed() -> None:
    conf = ConfigPynenc({"cached_status_time": 1.0, "socket_timeout": 2.0})
    assert (conf.cached_status_time, conf.socket_timeout) == (1.0, 2.0)
    assert not list(unknown_settings({"cached_status_time": 1.0}, None))
    assert "lease_sec" in dir(conf)
    assert {"cached_status_time", "socket_timeout"}.isdisjoint(dir(conf))
    assert {"cached_status_time", "socket_timeout"}.isdisjoint(offered(ConfigPynenc))
    [(_, _, hint)] = unknown_settings({"cached_status_tme": 1.0}, None)
    assert "cached_status_time" not in hint
    # Where another class reads a setting of this name it counts there.
    [(_, _, hint)] = unknown_settings({"runner_loop_sleep_time_secs": 1.0}, None)
    assert "runner_loop_sleep_time_sec" in hint
    assert "runner_loop_sleep_time_sec" not in dir(ConfigThreadRunner())


def test_a_field_or_method_that_does_not_exist_is_answered_with_near_ones() -> None:
    conf = ConfigPynenc()
    with pytest.raises(AttributeError, match=r"ConfigPynenc has no field 'lease_secs': did you mean lease_sec"):
        conf.lease_secs = 1.0
    with pytest.raises(AttributeError, match=r"no field 'lease_secs': did you mean lease_sec"):
        conf.explain("lease_secs")
    builder: Any = PynencBuilder()
    with pytest.raises(AttributeError, match=r"no method 'thread_runer': did you mean thread_runner"):
        builder.thread_runer()


@pytest.mark.parametrize(
    ("field", "use"),
    [
        ("serializer_cls", lambda app: app.serializer),
        ("broker_cls", lambda app: app.broker),
        ("orchestrator_cls", lambda app: app.orchestrator),
        ("state_backend_cls", lambda app: app.state_backend),
        ("trigger_cls", lambda app: app.trigger),
        ("client_data_store_cls", lambda app: app.client_data_store),
        ("payload_codec_cls", lambda app: app._runtime.codec),
        ("runner_cls", lambda app: app.runner),
    ],
)
def test_a_class_that_is_not_there_is_answered_with_the_source_of_its_name(
    monkeypatch: pytest.MonkeyPatch, field: str, use: Any
) -> None:
    values = {"store_url": "memory://"}
    source = f"environment variable PYNENC__{field.upper()}"
    if field == "serializer_cls":
        # Only code may choose it.
        values[field], source = "NoSuchThing", "config_values"
    else:
        monkeypatch.setenv(f"PYNENC__{field.upper()}", "NoSuchThing")
    app = Pynenc(f"without-{field}", values)
    with pytest.raises(ValueError, match="NoSuchThing") as raised:
        use(app)
    assert f"ConfigPynenc.{field} (from {source})" in str(raised.value)
