"""Fixtures of the shop's tests. `pynenc_test` and `pynenc_redis_url` come with pynenc's pytest plugin."""

from __future__ import annotations

import pytest
from shop.tasks import app

from pynenc.testing import AppTest, IsolateApp


@pytest.fixture(params=["memory", "sqlite", "redis"])
def shop(request: pytest.FixtureRequest, pynenc_test: IsolateApp) -> AppTest:
    """The shop on an empty store of each kind."""
    store: str = request.param
    return pynenc_test(app, request.getfixturevalue("pynenc_redis_url") if store == "redis" else store)
