"""What a runner tells its zygote about itself, and how the zygote becomes the same app with the same settings."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from pynenc._kernel.app_registry import make_known
from pynenc._kernel.runtime import runtime_of
from pynenc._tasks.late_modules import LateModules
from pynenc._tasks.modules import task_module_names
from pynenc.app_info import AppInfo
from pynenc.conf.base import ConfigBase, fields_of
from pynenc.conf.handover import handed_settings, merged_values, settings_from, take_over_sources
from pynenc.conf.masking import is_secret, masked_url, shown_value
from pynenc.conf.store_url import COMPONENT_FIELDS, STORE_FIELDS, resolve_store_url
from pynenc.exceptions import AlreadyInitializedError, ConfigError
from pynenc.runner._session.monkey_patches import refuse_patched_modules
from pynenc.util.search_path import search_path

if TYPE_CHECKING:
    from pynenc._kernel.shapes import AppShape
    from pynenc.runner._workers.channel import Message


def introduction(app: AppShape) -> Message:
    """Describe the app of this process, for `load_app` in another one. Holds secrets."""
    return {
        "pid": os.getpid(),
        "path": search_path(),
        "app": AppInfo.from_app(app).to_json(),
        "modules": task_module_names(runtime_of(app)),
        "registrars": runtime_of(app).registrars,
        "late": runtime_of(app).kept(LateModules).problems(),
        "settings": handed_settings(app.conf),
        "folder": runtime_of(app).sources.folder,
        "store": resolve_store_url(app.conf),
    }


def load_app(message: Message) -> AppShape:
    """Import the app and the modules of its tasks, and take over the settings of the runner.

    Raises:
        ConfigError: a setting differs from the runner's, and was used before it could be taken over.
        BaseException: whatever importing a module raises.
    """
    info = AppInfo.from_json(message["app"])
    app = info.load()
    for name in message["modules"]:
        importlib.import_module(name)
    for name, problem in message["late"].items():
        runtime_of(app).kept(LateModules).failed(name, problem)
    refuse_patched_modules("a worker process")
    _take_over(app, info, message)
    return app


def _take_over(app: AppShape, info: AppInfo, message: Message) -> None:
    ours, opened = message["store"], runtime_of(app).opened_url
    if opened is not None and opened != ours:
        raise _differs("its store", _shown_url(ours), _shown_url(opened), info)
    runtime_of(app).move(message["folder"])
    values = merged_values(app.config_values, info.config_values or {})
    if values != app.config_values or info.config_filepath != app.config_filepath:
        runtime_of(app).sources.take_over(values, info.config_filepath)
        _forget_what_was_read(app)
    conf, handed = app.conf, settings_from(type(app.conf), message["settings"])
    for name in fields_of(type(conf)):
        value, mine = getattr(handed, name), getattr(conf, name)
        if value != mine:
            # Where the store is was compared above, and is compared again below: one setting alone says little.
            assign = ConfigBase.__setattr__ if name in STORE_FIELDS else setattr
            try:
                assign(conf, name, value)
            except AlreadyInitializedError:
                raise _differs(f"ConfigPynenc.{name}", _shown(name, value), _shown(name, mine), info) from None
            if name in COMPONENT_FIELDS:
                runtime_of(app).parts.pop(name.removesuffix("_cls"), None)
    take_over_sources(conf, handed)
    make_known(app)
    theirs = resolve_store_url(conf)
    if theirs != ours:
        raise _differs("its store", _shown_url(ours), _shown_url(theirs), info)


def _forget_what_was_read(app: AppShape) -> None:
    """Have the settings of the tasks and queues read again, from the values of the runner."""
    runtime_of(app).parts.pop("queues", None)
    for task in app.tasks.values():
        for name in ("conf", "retriable_exceptions", "_traits", "_plan", "broker_queue"):
            task.__dict__.pop(name, None)


def _differs(what: str, ours: str, theirs: str, info: AppInfo) -> ConfigError:
    return ConfigError(
        f"app {info.app_id!r}: {what} is {ours} in the runner and {theirs} in its worker processes, which import "
        f"module {info.module} again: the module computes it anew, and uses it while it is imported. Compute it once: "
        "in the environment, in a file, or in what the program calls before it starts the runner"
    )


def _shown(name: str, value: Any) -> str:
    return "a hidden value" if is_secret(name) else shown_value(value, name)


def _shown_url(url: str) -> str:
    return masked_url(url) or "a URL that is not shown, since it may hold a password"
