"""Methods that plugins of pynenc for other servers add to its builder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from pynenc.exceptions import NotOfferedError

NOT_OFFERED = frozenset(
    {
        "mongo",
        "mongo_client_data_store",
        "mongo_trigger",
        "rabbitmq",
        "rabbitmq_broker",
    }
)


def refused(name: str) -> Callable[..., NoReturn]:
    """A method that raises `NotOfferedError`, which names the stores there are."""

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotOfferedError(
            f"PynencBuilder.{name}: this build has no such store. One URL names the store of an app: memory://, "
            "sqlite:///path/app.db, redis://host:port/db (also rediss://, redis+unix://, redis+sentinel:// and "
            "redis+cluster://); use PynencBuilder.store(url), sqlite(path) or redis(url)"
        )

    return refuse
