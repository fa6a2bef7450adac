"""Helpers of the commands: load the app that `--app` names, and print settings as text."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pynenc._kernel.runtime import runtime_of
from pynenc.cli.app_discovery import FoundApp, find_app
from pynenc.conf.base import WITHOUT_EFFECT, describe, fields_of, offered
from pynenc.conf.database_file import absolute_url
from pynenc.conf.masking import masked_url
from pynenc.conf.store_url import resolve_store_url

if TYPE_CHECKING:
    from pynenc.app import Pynenc


def load_app(arguments: argparse.Namespace) -> FoundApp:
    """Find and import the app of a command. Raises `AppDiscoveryError`."""
    found = find_app(arguments.app)
    runtime_of(found.app).found_in = found.module
    if arguments.app is None:
        print(f"pynenc: no --app was given: using {found.location}, the only app here", file=sys.stderr)
    if arguments.verbose:
        found.app.conf.logging_level = "debug"
        found.app.logger.setLevel(logging.DEBUG)
    return found


def config_lines(conf: Any) -> Iterator[str]:
    """Yield each setting with its value, unit, source and description, sorted by name; secrets are masked.

    Settings without effect come last, by name only.
    """
    effective = set(offered(type(conf)))
    rows = [
        (field, f"{value}{f' {unit}' if unit else ''}", doc, source)
        for field, value, doc, unit, source in describe(conf)
        if field in effective
    ]
    for field, value, doc, source in sorted(rows):
        yield f"  {field} = {value}  [{source}]"
        if doc:
            yield f"      {doc}"
    others = sorted(set(fields_of(type(conf))) - effective)
    if others:
        yield ""
        yield f"{WITHOUT_EFFECT.capitalize()}: {', '.join(others)}"


def shown_store(app: Pynenc) -> str:
    """Return the URL of the store, with the absolute path of a file and without passwords. Opens nothing."""
    url = resolve_store_url(app.conf)
    return absolute_url(masked_url(url) or url.partition("://")[0] + "://…")


def header_lines(found: FoundApp) -> Iterator[str]:
    """Yield the location, the id and the class of the app."""
    app_cls = type(found.app)
    yield f"App location: {found.location}"
    yield f"App id: {found.app.app_id}"
    yield f"App class: {app_cls.__module__}.{app_cls.__qualname__}"
