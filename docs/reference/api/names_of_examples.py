import ast
import asyncio
import random
import time
import zlib
from pathlib import Path

from pynenc import Pynenc, PynencBuilder
from pynenc.exceptions import RetryError
from pynenc.runner import ThreadRunner
from pynenc.testing import isolated
from pynenc.testing.plugin import running

in_memory = {"store_url": "memory://", "find_task_modules": False, "logging_level": "error"}
app = Pynenc("reference", in_memory)
shop = Pynenc("shop", in_memory)


@app.task
def add(x: int, y: int) -> int:
    return x + y


@shop.task
def pack(order: int) -> str:
    return f"packed {order}"
