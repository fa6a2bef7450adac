"""Keys chosen to collide in hash tables (E6) cost no more than other keys, or than CPython makes of them."""

from __future__ import annotations

import contextlib
import itertools
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from support.worlds import World

from pynenc import Pynenc, _core
from pynenc.exceptions import SerializationError
from pynenc.serializer.json_codec import canonical_text

pytestmark = pytest.mark.alone

MODULUS = 2**61 - 1
"""All multiples of it have the hash 0 in CPython."""
FACTOR = 5.0
"""Far below the quadratic time, and generous for a busy machine."""


def _best(act: Callable[[], Any]) -> float:
    """Seconds of the fastest of several times."""

    def once() -> float:
        began = time.perf_counter()
        act()
        return time.perf_counter() - began

    return min(once() for _ in range(5))


def _texts(kind: str, count: int) -> list[str]:
    """Texts of 34 characters, as many as wanted."""
    if kind == "ordinary":
        return [f"{number:034d}" for number in range(count)]
    if kind == "of one hash modulo 2**61 - 1":
        return [f"{number * MODULUS:034d}" for number in range(count)]
    # "Aa" and "BB" have the same hash in hash functions that multiply by 31.
    return ["".join(pairs) for pairs in itertools.islice(itertools.product(("Aa", "BB"), repeat=17), count)]


@pytest.mark.parametrize("kind", ["of one hash modulo 2**61 - 1", "of one hash with the factor 31"])
def test_texts_that_collide_in_weak_hashes_cost_no_more_than_others(world: World, kind: str) -> None:
    task = world.jobs.faults.take_anything
    world.start(slots=1)
    count = 20_000
    seconds = {}
    for which in ("ordinary", kind):
        value = dict.fromkeys(_texts(which, count), 1)
        assert len(value) == count

        def there_and_back(value: dict[str, int] = value) -> None:
            assert task(value).get_result(timeout=60) == value
            canonical_text(value)

        seconds[which] = _best(there_and_back)
    print(seconds)
    assert seconds[kind] <= FACTOR * seconds["ordinary"], seconds


def test_concurrency_keys_that_collide_cost_the_tables_in_rust_no_more_than_others() -> None:
    spec = _core.TaskSpec("m.f")
    seconds = {}
    for kind in ("ordinary", "of one hash with the factor 31"):
        calls = [(b"", name, name, name) for name in _texts(kind, 20_000)]

        def submit_and_claim(calls: list[Any] = calls) -> None:
            store = Pynenc(app_id=uuid.uuid4().hex, config_values={"store_url": "memory://"})._runtime.store
            store.submit(spec, calls)
            assert len(store.claim("runner", len(calls), begin=True)) == len(calls)

        seconds[kind] = _best(submit_and_claim)
    print(seconds)
    assert seconds["of one hash with the factor 31"] <= FACTOR * seconds["ordinary"], seconds


def test_numbers_that_collide_cost_only_the_dicts_that_python_makes_of_them(world: World) -> None:
    """CPython takes quadratic time to create or compare a dict of these keys, which a caller with such a dict has
    already paid.

    The codec adds at most four times the cost of such a dict, because it inspects its own output, plus the cost of
    ordinary numbers. A reader creates no such dict: it refuses the payload.
    """
    task, codec = world.jobs.faults.take_numbers, world.app._runtime.codec
    count = 3_000
    colliding = {number * MODULUS: number for number in range(count)}
    ordinary = {number * MODULUS + number: number for number in range(count)}
    assert len({hash(key) for key in colliding}) == 1
    assert len({hash(key) for key in ordinary}) == count

    def encode(value: dict[int, int]) -> bytes:
        return bytes(codec.encode_arguments(task, {"numbers": value}))

    def decode(value: dict[int, int]) -> None:
        with contextlib.nullcontext() if value is ordinary else pytest.raises(SerializationError, match="same hash"):
            codec.decode_arguments(task, encoded[id(value)])

    encoded = {id(value): encode(value) for value in (colliding, ordinary)}
    a_dict = _best(lambda: dict.fromkeys(colliding))
    for what, act, dicts in [
        ("encode", encode, 4),
        ("decode", decode, 0),
        ("canonical text", canonical_text, 0),
    ]:
        slow, usual = (_best(lambda value=value, act=act: act(value)) for value in (colliding, ordinary))
        print(f"{what}: {slow * 1e3:.1f} ms, ordinary {usual * 1e3:.1f} ms, a dict {a_dict * 1e3:.1f} ms")
        assert slow <= FACTOR * usual + dicts * a_dict, what
