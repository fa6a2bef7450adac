"""The web side. It submits and asks, and runs no task itself: `uvicorn shop.api:api`."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from fastapi import FastAPI, HTTPException
from shop.models import Line, Order
from shop.tasks import app, fulfil, price

from pynenc.exceptions import InvocationNotFoundError

api = FastAPI(title="Shop")


@api.post("/orders", status_code=202)
async def place_order(order: Order) -> dict[str, str]:
    """Submit the order and return its id: the work continues without this request."""
    invocation = await fulfil.submit(order)
    return {"id": str(invocation.invocation_id)}


@api.get("/orders/{invocation_id}")
async def show_order(invocation_id: str) -> dict[str, Any]:
    """Return the state of the order; if it is finished, with its receipt, or with the reason of its failure."""
    return await asyncio.to_thread(_look_up, invocation_id)


@api.delete("/orders/{invocation_id}")
async def cancel_order(invocation_id: str) -> dict[str, bool]:
    """Withdraw the order; `false` if it was finished before."""
    try:
        invocation = app.state_backend.get_invocation(invocation_id)
        return {"cancelled": await asyncio.to_thread(invocation.cancel)}
    except InvocationNotFoundError:
        raise HTTPException(404, "no such order") from None


@api.post("/quotes")
async def quote(lines: list[Line]) -> Decimal:
    """Price the lines in parallel, and wait for the sum for a limited time."""
    try:
        async with asyncio.timeout(5):
            group = await price.submit_many([(line,) for line in lines])
            return sum([cost async for cost in group.async_results()], Decimal())
    except TimeoutError:
        raise HTTPException(504, "no runner answered in time") from None


def _look_up(invocation_id: str) -> dict[str, Any]:
    """Read the store; blocks, so not for an event loop."""
    try:
        invocation = app.state_backend.get_invocation(invocation_id)
        status = invocation.status
    except InvocationNotFoundError:
        raise HTTPException(404, "no such order") from None
    if not status.is_final():
        return {"status": status.value}
    try:
        return {"status": status.value, "receipt": invocation.get_final_result()}
    except Exception as error:
        return {"status": status.value, "reason": str(error)}
