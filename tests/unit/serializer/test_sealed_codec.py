"""Signed and encoded payloads without a store: refusals, messages, and hidden secrets."""

from __future__ import annotations

import json
import pickle
import random
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from support.codecs import Veiled
from support.seals import NEW_KEY, OLD_KEY

from pynenc import Pynenc, PynencBuilder, _core
from pynenc.exceptions import (
    AlreadyInitializedError,
    ConfigError,
    PayloadCodecError,
    PayloadTooLargeError,
    SerializationError,
    SignatureError,
)
from pynenc.serializer import PayloadCodec, PayloadContext
from pynenc.serializer.codec import Codec, codec_of
from pynenc.serializer.sealed_codec import SealedCodec
from pynenc.serializer.signing import Refusals

ID = _core.new_invocation_id()
OTHER_ID = _core.new_invocation_id()
ALL_BITS_BELOW = 250
"""Every bit of payloads up to this size is flipped, and a random choice of larger ones."""


class Failing(PayloadCodec):
    """Fails in the way that the test sets."""

    def __init__(self, encoded: Any = None, decoded: Any = None) -> None:
        self._encoded, self._decoded = encoded, decoded

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        return _raised_or_returned(self._encoded, data)

    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        return _raised_or_returned(self._decoded, data)


class Doubled(PayloadCodec):
    """Makes everything twice as large."""

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        return data + data

    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        return data[: len(data) // 2]


def _raised_or_returned(what: Any, data: bytes) -> Any:
    if isinstance(what, Exception):
        raise what
    return data if what is None else what


def _sealed(*keys: str, app_id: str = "coder", codec: PayloadCodec | None = None, **settings: Any) -> Codec:
    # Not by the constructor: the same settings would give the same app.
    app = Pynenc(app_id, {"signing_keys": list(keys), **settings})
    made = Pynenc.__new__(Pynenc)
    made.__init__(app_id, {"signing_keys": list(keys), **settings}, payload_codec=codec)  # type: ignore[misc]
    _ = app
    return codec_of(made)


def _samples(seed: int) -> Iterator[Any]:
    """200 values of many sizes."""
    random_ = random.Random(seed)
    for size in range(200):
        yield random_.choice([size, "x" * size, list(range(size)), {"key": random_.random()}, None, "y" * size * 20])


def test_no_flipped_bit_of_200_samples_is_accepted(coder: Any, seed: int) -> None:
    random_ = random.Random(seed)
    task, codec = coder.task(Any), _sealed(NEW_KEY, OLD_KEY)
    signer = codec.signer
    assert signer is not None
    accepted = tried = 0
    for value in _samples(seed):
        payloads = {
            _core.ARGUMENTS: signer.sign(
                task.task_id, ID, _core.ARGUMENTS, codec.encode_arguments(task, {"value": value})
            ),
            _core.RESULT: codec.encode_result(task, value, ID),
            _core.EXCEPTION: codec.encode_exception(task, ValueError(value), ID),
        }
        for kind, payload in payloads.items():
            assert signer.open(task.task_id, ID, kind, payload)
            bits = (
                range(len(payload) * 8)
                if len(payload) <= ALL_BITS_BELOW
                else random_.sample(range(len(payload) * 8), 200)
            )
            for bit in bits:
                flipped = bytearray(payload)
                flipped[bit // 8] ^= 1 << bit % 8
                tried += 1
                try:
                    signer.open(task.task_id, ID, kind, bytes(flipped))
                    accepted += 1
                except ValueError:
                    continue
    assert tried > 100_000
    assert accepted == 0


def test_a_payload_is_good_for_its_app_task_invocation_and_kind_only(coder: Any) -> None:
    task, codec = coder.task(int), _sealed(NEW_KEY)
    payload = codec.encode_result(task, 5, ID)
    assert codec.decode_result(task, payload, ID) == 5
    another = coder.task(int)
    another.task_id = type(task.task_id)("shop.jobs", "refund")
    for read in (
        lambda: codec.decode_result(task, payload, OTHER_ID),
        lambda: codec.decode_result(task, payload, ""),
        lambda: codec.decode_result(task, None, ID),
        lambda: codec.decode_result(another, payload, ID),
        lambda: codec.decode_exception(task, payload, ID),
        lambda: codec.decode_arguments(task, payload, ID),
        lambda: _sealed(NEW_KEY, app_id="other").decode_result(task, payload, ID),
        lambda: _sealed(OLD_KEY).decode_result(task, payload, ID),
        lambda: _sealed("2026-07:another-secret-of-the-id").decode_result(task, payload, ID),
    ):
        with pytest.raises(SignatureError, match="without decoding"):
            read()
    assert codec.refusals is not None
    assert codec.refusals.counts() == {"result": 4, "exception": 1, "arguments": 1}


def test_random_bytes_are_refused_with_and_without_an_envelope_around_them(coder: Any, seed: int) -> None:
    random_ = random.Random(seed)
    task, codec = coder.task(Any), _sealed(NEW_KEY, codec=Veiled())
    head = codec.encode_result(task, 5, ID)[:9]
    for size in range(300):
        noise = random_.randbytes(size)
        for payload in (noise, head + noise, b"\x06" + noise, b"\x05" + noise, b"\x07", b"\x07" + noise):
            for read in (codec.decode_result, codec.decode_exception, codec.decode_arguments):
                with pytest.raises(SignatureError):
                    read(task, payload, ID)


def test_an_app_without_keys_refuses_signed_payloads_by_name(coder: Any) -> None:
    task = coder.task(int)
    with pytest.raises(SerializationError, match="written by an app with signing_keys"):
        coder.codec.decode_result(task, _sealed(NEW_KEY).encode_result(task, 5, ID), ID)
    with pytest.raises(SerializationError, match="written by an app with a PayloadCodec"):
        coder.codec.decode_result(task, _sealed(codec=Veiled()).encode_result(task, 5, ID), ID)


# -- keys --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (["nocolonbutsecret0123"], "key 1 of 1 has no colon"),
        ([NEW_KEY, "bad id:topsecret0123456789"], "key 2 of 2 has an id that is not"),
        ([":topsecret0123456789"], "has an id that is not"),
        (["k:"], "has a secret that is empty"),
        (["k:topsecret 0123456789"], "or holds a space"),
        (["k:topsecretünï0123456"], "or holds a space"),
        (["k:topsecret"], "has a secret of less than 16 bytes"),
        ([NEW_KEY, NEW_KEY], "has the id '2026-07' a second time"),
        ([b"k:topsecret0123456789"], "must be id:secret texts"),
        ({"k": "topsecret0123456789"}, "must be id:secret texts"),
        (7, "must be id:secret texts"),
    ],
)
def test_a_bad_key_is_refused_without_being_quoted(keys: Any, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        _ = Pynenc("coder", {"signing_keys": keys}).conf
    said = str(raised.value)
    assert text in said
    assert "ConfigPynenc.signing_keys" in said
    assert "config_values" in said
    for secret in ("secret0", "topsecret", "fedcba"):
        assert secret not in said


def test_keys_come_from_the_environment_a_file_or_the_constructor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("PYNENC__SIGNING_KEYS", f"{NEW_KEY}, {OLD_KEY}")
    assert [key.key_id for key in Pynenc("a").conf.signing_keys] == ["2026-07", "2026-01"]
    monkeypatch.delenv("PYNENC__SIGNING_KEYS")
    (tmp_path / "app.json").write_text(json.dumps({"signing_keys": [OLD_KEY]}))
    assert [key.key_id for key in Pynenc("b", None, str(tmp_path / "app.json")).conf.signing_keys] == ["2026-01"]
    built = PynencBuilder().app_id("c").memory().signing(NEW_KEY, OLD_KEY).build()
    assert [key.secret for key in built.conf.signing_keys] == [
        key.partition(":")[2].encode() for key in (NEW_KEY, OLD_KEY)
    ]


@pytest.mark.parametrize("name", ["signing_keys", "payload_codec_cls"])
def test_a_file_cannot_change_what_the_code_turns_on(name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"signing_keys": [NEW_KEY], "payload_codec_cls": "Veiled"}
    (tmp_path / "pyproject.toml").write_text(f"[tool.pynenc.pynenc]\n{name} = ''\n")
    for given in (values, {"pynenc": values}):
        with pytest.raises(ConfigError, match=rf"{name} is set in the code of the app and emptied by .*pyproject.toml"):
            _ = Pynenc("kept", given).conf
    assert not getattr(Pynenc("kept", {}).conf, name)
    # A user who can write this file could choose whose payloads are accepted.
    (tmp_path / "pyproject.toml").write_text(f"[tool.pynenc]\nsigning_keys = ['{OLD_KEY}']\n")
    Pynenc._clear_instances()
    with pytest.raises(ConfigError, match=r"signing_keys is set in .* and changed by .*pyproject.toml"):
        _ = Pynenc("kept", values).conf
    Pynenc._clear_instances()
    assert [key.key_id for key in Pynenc("kept", {}).conf.signing_keys] == ["2026-01"]
    (tmp_path / "pyproject.toml").unlink()
    # In the environment another key is a rotation.
    Pynenc._clear_instances()
    monkeypatch.setenv("PYNENC__SIGNING_KEYS", OLD_KEY)
    assert [key.key_id for key in Pynenc("kept", values).conf.signing_keys] == ["2026-01"]
    monkeypatch.setenv("PYNENC__SIGNING_KEYS", "")
    monkeypatch.setenv("PYNENC__PAYLOAD_CODEC_CLS", "")
    Pynenc._clear_instances()
    assert getattr(Pynenc("kept", values).conf, name), "an empty variable counts as not set"


def test_the_secret_is_shown_by_nothing(caplog: pytest.LogCaptureFixture, tmp_path: Any) -> None:
    secret = NEW_KEY.partition(":")[2]
    app = PynencBuilder().app_id("hidden").sqlite(str(tmp_path / "a.db")).signing(NEW_KEY).build()
    keys = app.conf.signing_keys
    codec = app._runtime.codec
    assert isinstance(codec, SealedCodec)
    from pynenc.cli._app import config_lines

    with pytest.raises(SignatureError) as raised:
        codec.decode_result(app.task(_nothing), b"x", ID)
    shown = [repr(app.conf), str(keys), repr(keys[0]), f"{keys[0]} {keys[0]!r} {keys[0]!s} {keys}", "%s" % keys[0]]  # noqa: UP031
    shown += ["\n".join(config_lines(app.conf)), repr(codec.signer), repr(vars(codec.signer.__class__)), caplog.text]
    shown += [str(raised.value), pickle.dumps(raised.value).decode("latin-1")]
    shown += [codec.encode_result(app.task(_nothing), "x", ID).decode("latin-1")]
    assert not [text for text in shown if secret in text]
    with pytest.raises(TypeError):
        pickle.dumps(codec.signer)


def _nothing() -> str | None: ...


def test_keys_cannot_change_once_they_are_in_use() -> None:
    app = Pynenc("fixed", {"signing_keys": [NEW_KEY]})
    app.conf.signing_keys = (OLD_KEY,)  # type: ignore[assignment]
    assert app._runtime.codec.signer is not None
    for name, value in (("signing_keys", ()), ("payload_codec_cls", "Veiled"), ("app_id", "other")):
        with pytest.raises(AlreadyInitializedError, match=name):
            setattr(app.conf, name, value)


def test_pickles_warn_no_longer_where_payloads_are_signed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _sealed(NEW_KEY, serializer_cls="PickleSerializer")
        with pytest.raises(UserWarning, match="run code"):
            _sealed(codec=Veiled(), serializer_cls="PickleSerializer")


@pytest.mark.parametrize("name", ["PickleSerializer", "JsonPickleSerializer", "JsonSerializer"])
def test_every_serializer_is_sealed(coder: Any, name: str) -> None:
    task, codec = coder.task(Any), _sealed(NEW_KEY, codec=Veiled(), serializer_cls=name)
    payload = codec.encode_result(task, [1, "two"], ID)
    assert codec.decode_result(task, payload, ID) == [1, "two"]
    with pytest.raises(SignatureError):
        codec.decode_result(task, bytes([2]) + pickle.dumps([1]), ID)
    error = codec.decode_exception(task, codec.encode_exception(task, KeyError("k"), ID), ID)
    assert (type(error), error.args) == (KeyError, ("k",))
    # As a runner writes it that does not know the task.
    error = codec.decode_exception(task, codec.encode_exception(str(task.task_id), KeyError("k"), ID), ID)
    assert type(error) is KeyError


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_refusals_are_counted_and_logged_once_a_minute_per_kind(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    app = Pynenc("counting")
    app.logger.addHandler(caplog.handler)
    refusals = Refusals(app, clock=lambda: now[0])
    result, arguments = PayloadContext("counting", "m.f", "result"), PayloadContext("counting", "m.f", "arguments")
    for _ in range(50):
        error = refusals.refuse(result, ID, "it is not signed")
    refusals.refuse(arguments, ID, "it is not signed")
    assert ID in str(error)
    assert len(caplog.records) == 2
    now[0] = 61.0
    refusals.refuse(result, ID, "it is not signed")
    assert len(caplog.records) == 3
    assert "(50 since the last such line, 51 in all)" in caplog.records[-1].getMessage()
    assert refusals.counts() == {"result": 51, "arguments": 1}


# -- payload codecs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [RuntimeError("no key today"), "text", 7, bytearray(b"x")], ids=repr)
@pytest.mark.parametrize("keys", [(), (NEW_KEY,)], ids=["unsigned", "signed"])
def test_a_codec_that_fails_is_a_typed_error_and_leaks_nothing(coder: Any, wrong: Any, keys: tuple[str, ...]) -> None:
    task = coder.task(str)
    broken, reader = _sealed(*keys, codec=Failing(encoded=wrong)), _sealed(*keys, codec=Failing(decoded=wrong))
    for encode in (
        lambda: broken.encode_arguments(task, {"value": "a secret"}),
        lambda: broken.encode_result(task, "a secret", ID),
    ):
        with pytest.raises(PayloadCodecError, match=r"Failing.encode failed for the .* of task shop.jobs.pay"):
            encode()
    payload = broken.encode_exception(task, ValueError("a secret"), ID)
    assert b"secret" not in payload
    assert "could not encode the exception" in str(reader.decode_exception(task, payload, ID))
    with pytest.raises(PayloadCodecError, match=r"Failing\.decode failed for the result"):
        reader.decode_result(task, reader.encode_result(task, "x", ID), ID)
    with pytest.raises(PayloadCodecError, match="no PayloadCodec has encoded it"):
        reader.decode_result(task, _sealed(*keys).encode_result(task, "x", ID), ID)


def test_the_size_limit_counts_the_bytes_after_the_payload_codec(coder: Any) -> None:
    task, codec = coder.task(str), _sealed(NEW_KEY, codec=Doubled(), max_payload_bytes=4000)
    assert codec.decode_result(task, codec.encode_result(task, "x" * 1900, ID), ID) == "x" * 1900
    for encode in (
        lambda: codec.encode_result(task, "x" * 2000, ID),
        lambda: codec.encode_arguments(task, {"value": "x" * 2000}),
    ):
        with pytest.raises(PayloadTooLargeError, match="4000"):
            encode()
    payload = codec.encode_exception(task, ValueError("x" * 3000), ID)
    assert len(payload) <= 4000
    assert isinstance(codec.decode_exception(task, payload, ID), ValueError)


def test_a_codec_is_an_instance_a_class_or_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Veiled()
    assert Pynenc("first", payload_codec=one).payload_codec is one
    again = Pynenc("first", payload_codec=Veiled())
    assert again.payload_codec is one, "a module that is imported twice has one app, with its first codec"
    assert PynencBuilder().app_id("second").payload_codec(one).build().payload_codec is one
    for given in (Veiled, "Veiled"):
        built = PynencBuilder().app_id(f"third-{given}").payload_codec(given).build()
        assert isinstance(built._runtime.codec, SealedCodec)
    with pytest.raises(TypeError, match="PayloadCodec"):
        Pynenc("fourth", payload_codec="Veiled")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no imported subclass of PayloadCodec is called 'Absent'"):
        _ = Pynenc("fifth", {"payload_codec_cls": "Absent"})._runtime.codec
    monkeypatch.setattr(Veiled, "__init__", lambda self, key: None, raising=False)
    with pytest.raises(ConfigError, match=r"payload_codec_cls is 'Veiled', and Veiled\(\) raised TypeError"):
        _ = Pynenc("sixth", {"payload_codec_cls": "Veiled"})._runtime.codec
    used = Pynenc("seventh")
    _ = used._runtime.codec
    with pytest.raises(AlreadyInitializedError, match="payload_codec"):
        used.payload_codec = one
