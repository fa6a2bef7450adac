"""Settings of `app.state_backend`."""

from __future__ import annotations

from pynenc.conf.base import WITHOUT_EFFECT, ConfigBase, setting


class ConfigStateBackend(ConfigBase):
    """What pynenc's state backends on Redis understand."""

    pagination_batch_size: int = setting(100, at_least=1, doc=WITHOUT_EFFECT)
