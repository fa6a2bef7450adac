"""What a type checker sees of the public API. Never run: `make lint` checks it with mypy --strict."""

from collections.abc import Iterator
from typing import Any, assert_type

from pynenc import Pynenc, PynencBuilder, Task
from pynenc.invocation import BaseInvocation
from pynenc.serializer import BaseSerializer, PayloadCodec, PayloadContext

app = Pynenc(app_id="typecheck")


@app.task
def bare(x: int, y: str = "") -> float:
    return x + len(y)


@app.task(max_retries=3, queue="slow")
def configured(x: int) -> list[str]:
    return [str(x)]


@app.task
async def asynchronous(x: int) -> bytes:
    return bytes(x)


def calls() -> None:
    """Parameters and results keep their types from the decorator to the result."""
    assert_type(bare(1, y="a").result, float)
    assert_type(bare(1).get_result(timeout=1.0), float)
    assert_type(configured(1).result, list[str])
    bare("wrong")  # type: ignore[arg-type]
    configured(1, 2)  # type: ignore[call-arg]


class RegionApp(Pynenc):
    """An app with its own constructor."""

    def __init__(self, region: str) -> None:
        super().__init__(f"shop-{region}", {"store_url": "memory://"})
        self.region = region


class InstanceSerializer(BaseSerializer):
    """A serializer with methods of instances."""

    def serialize(self, obj: Any) -> str:
        return repr(obj)

    def deserialize(self, serialized_obj: str) -> Any:
        return serialized_obj


class StaticSerializer(BaseSerializer):
    """A serializer with static methods."""

    @staticmethod
    def serialize(obj: Any) -> str:
        return repr(obj)

    @staticmethod
    def deserialize(serialized_obj: str) -> Any:
        return serialized_obj


def subclasses() -> None:
    """Classes of users are checked by their declarations."""
    assert_type(RegionApp("eu").region, str)
    RegionApp(1)  # type: ignore[arg-type]
    assert_type(InstanceSerializer().serialize(1), str)
    assert_type(StaticSerializer.serialize(1), str)
    PynencBuilder().task_defaults(max_retries=3).sqlite(sqlite_db_path="shop.db")
    PynencBuilder().task_defaults(max_retries="many")  # type: ignore[arg-type]


def handles() -> None:
    """The result of a call can be cancelled; an invocation found by its id has the types of the task."""
    invocation = bare(1)
    assert_type(invocation.cancel(), bool)
    assert_type(str(invocation.invocation_id), str)
    assert_type(bare.get_invocation("an id").result, float)
    assert_type(bare.get_invocation("an id").cancel(), bool)
    bare.get_invocation(1)  # type: ignore[arg-type]


async def finding() -> None:
    """Lookups without blocking know the result too, and a forgotten await is an error."""
    found = await asynchronous.find("an id")
    handle: BaseInvocation[..., bytes] = found
    assert_type(handle.cancel(), bool)
    assert_type(await found, bytes)
    configured(len(await asynchronous(1)))
    configured(bare(1))  # type: ignore[arg-type]
    configured(asynchronous.submit(1))  # type: ignore[arg-type]


@app.direct_task
def direct(x: int) -> list[str]:
    """Stays a function."""
    return [str(x)]


@app.direct_task(queue="slow", parallel_func=lambda given: [given], aggregate_func=lambda results: results[0])
def spread(x: int) -> float:
    """The same, with options."""
    return x


@app.direct_task
async def direct_later(x: int) -> bytes:
    """Stays a coroutine function."""
    return bytes(x)


async def directly() -> None:
    """Direct tasks return results, and check their arguments."""
    assert_type(direct(1), list[str])
    assert_type(spread(x=1), float)
    assert_type(await direct_later(1), bytes)
    direct("wrong")  # type: ignore[arg-type]
    spread(1, 2)  # type: ignore[call-arg]
    app.direct_task(retries=3)  # type: ignore[call-overload]


@app.task(lossy=True)
def rough(anything: object) -> object:
    """A task with the option that lets changed values travel."""
    return anything


def groups() -> None:
    """A group yields results of the task's type."""
    group = configured.parallelize([(1,), (2,)])
    results: Iterator[list[str]] = iter(group.results)
    assert_type(next(results), list[str])
    assert_type(next(group.results(return_exceptions=True)), list[str] | Exception)


async def awaiting() -> None:
    """Both spellings of waiting in a coroutine give the result."""
    assert_type(await bare(1), float)
    assert_type(await bare(1).async_result(), float)


async def submitting() -> None:
    """Awaited submissions check the arguments and know the result as calls do."""
    assert_type(await (await bare.submit(1, y="a")), float)
    assert_type(await (await asynchronous.submit(1)), bytes)
    await bare.submit("wrong")  # type: ignore[arg-type]
    await configured.submit(1, 2)  # type: ignore[call-arg]
    group = await configured.submit_many([(1,), {"x": 2}], common_args=None)
    assert_type(group.get_results(), list[list[str]])
    async for result in group.async_results():
        assert_type(result, list[str])
    async for outcome in group.async_results(return_exceptions=True):
        assert_type(outcome, list[str] | Exception)


class Plain(PayloadCodec):
    """A codec of a user."""

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        """As it is."""
        assert_type(context.task_id, str)
        return data

    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        """As it was."""
        return data


def protecting() -> None:
    """Keys are texts, a codec is an instance, a class or a name."""
    built = PynencBuilder().signing("new:secret", "old:secret").payload_codec(Plain()).build()
    assert_type(built, Pynenc)
    assert_type(built.payload_codec, PayloadCodec | None)
    assert_type(built.refused_payloads, dict[str, int])
    PynencBuilder().payload_codec(Plain).payload_codec("Plain")
    Pynenc("shop", payload_codec=Plain())
    PynencBuilder().signing(7)  # type: ignore[arg-type]
    PynencBuilder().payload_codec(7)  # type: ignore[arg-type]
    Pynenc("shop", payload_codec="Plain")  # type: ignore[arg-type]


def takes_a_task(task: Task[[int], list[str]]) -> None:
    """A decorated function is a Task of its parameters and result."""


takes_a_task(configured)
