"""A client of the API that needs no server and no socket."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from shop.api import api


def ask(method: str, path: str, json: Any = None) -> httpx.Response:
    """Send one request on a separate event loop."""

    async def once() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://shop") as client:
            return await client.request(method, path, json=json)

    return asyncio.run(once())
