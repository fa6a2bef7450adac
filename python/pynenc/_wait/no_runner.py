"""The remedy for an app without a live runner: the command that starts one, and the location of the same store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pynenc.conf.store_url import is_default_file

if TYPE_CHECKING:
    from pynenc._kernel.runtime import AppRuntime


def how_to_start_one(runtime: AppRuntime, url: str) -> str:
    """In words; `url` is that of the store, with an absolute path."""
    module = _module_of(runtime)
    command = f" with `pynenc --app {module} runner start`" if module else ""
    text = f"no live runner of app {runtime.app_id!r} is known in this store: start one{command}"
    if not is_default_file(runtime.conf):
        return f"{text}, and see that it names the same store"
    folder = Path(url.partition(":///")[2]).parent.parent
    return (
        f"{text} in the folder {folder}. The store is the default file, which goes by the working folder: to start it "
        "elsewhere, set store_url (PYNENC__STORE_URL) to the same store for both"
    )


def _module_of(runtime: AppRuntime) -> str:
    """Return a module with the app in a variable, preferably one with tasks; empty if none is known."""
    from pynenc._tasks.modules import modules_with

    if runtime.found_in:
        return runtime.found_in
    modules = [name for name in modules_with(runtime) if not name.startswith("__")]
    with_tasks = {task_id.module for task_id in runtime.tasks.copy()}
    # A module that uses the app, such as one of a web server, has it in a variable too.
    return next(iter([*(name for name in modules if name in with_tasks), *modules]), "")
