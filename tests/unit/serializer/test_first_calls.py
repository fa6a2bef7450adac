"""The cost of the first call of a task for a client."""

from __future__ import annotations

from typing import Any

import pytest
from support.jobs import shapes

from pynenc import Pynenc
from pynenc.runner import ThreadRunner
from pynenc.serializer import json_codec
from pynenc.testing.plugin import running


def test_a_client_makes_no_decoder_of_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    make = json_codec._struct
    monkeypatch.setattr(json_codec, "_struct", lambda parameters: made.append(parameters) or make(parameters))
    app = Pynenc(config_values={"store_url": "memory://"})
    task = app.task(shapes.calm)
    invocation = task()
    assert made == []
    with running(ThreadRunner(app)):
        assert invocation.get_result(timeout=30) == "calm"
    assert len(made) == 1
