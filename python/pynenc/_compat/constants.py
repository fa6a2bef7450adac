"""Constants of pynenc 0.4 that user code reads."""

from __future__ import annotations

import enum

ENV_PREFIX = "PYNENC"
ENV_SEP = "__"
ENV_FILEPATH = "FILEPATH"


class ReservedKeys(enum.StrEnum):
    """Keys that mark values in the JSON of pynenc. Nothing here writes or interprets them."""

    ERROR = "__pynenc__std_py_exc__"
    CLIENT_EXCEPTION = "__pynenc__client_exception__"
    ENUM = "__pynenc__enum__"
    JSON_SERIALIZABLE = "__pynenc__json_serializable__"
    CLIENT_DATA = "__pynenc__client_data__"
