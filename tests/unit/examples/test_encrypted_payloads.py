"""The example of encrypted payloads works as its page describes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.fernet import Fernet

from pynenc.exceptions import PayloadCodecError
from pynenc.serializer import PayloadContext
from pynenc.serializer.payload_codec import decode_payload, encode_payload

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "encrypted_payloads"
PLACE = PayloadContext("shop", "tasks.pay", "arguments")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the codec."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "fernet_codec", raising=False)
    import fernet_codec

    return fernet_codec


def test_the_example_hides_payloads_and_survives_new_keys(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "run.py")], cwd=tmp_path, timeout=120, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    call, rotated, dropped = done.stdout.splitlines()
    assert call == "'Hello, Ada'; in the store: name False, result False"
    assert rotated == "with the new keys first: Hello, Ada"
    assert dropped.startswith("without the old keys: SignatureError: refused the result of invocation ")
    assert 'key "2026-01", which is not in signing_keys' in dropped


def test_keys_of_the_codec_change_without_losing_payloads(example: ModuleType) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    before, both, after = (example.FernetCodec(keys) for keys in ([old], [new, old], [new]))
    sealed = encode_payload(before, b"plain", PLACE)
    assert b"plain" not in sealed
    assert decode_payload(both, sealed, PLACE) == b"plain"
    assert decode_payload(after, encode_payload(both, b"plain", PLACE), PLACE) == b"plain"
    with pytest.raises(PayloadCodecError, match="InvalidToken"):
        decode_payload(after, sealed, PLACE)
    with pytest.raises(PayloadCodecError, match="another app, task or kind"):
        decode_payload(both, sealed, PLACE._replace(kind="result"))
    with pytest.raises(PayloadCodecError, match="InvalidToken"):
        decode_payload(both, sealed[:-9] + b"A" * 9, PLACE)


def test_the_codec_takes_its_keys_from_the_environment(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(example.KEYS, Fernet.generate_key().decode())
    codec = example.FernetCodec()
    assert decode_payload(codec, encode_payload(codec, b"", PLACE), PLACE) == b""
