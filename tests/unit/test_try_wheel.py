"""`scripts/try_wheel.py` checks the content of a wheel before it installs the wheel."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script() -> ModuleType:
    return _loaded("try_wheel")


def _loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _wheel(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "made-1.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


NOTICES = {"made.dist-info/licenses/THIRD_PARTY_NOTICES.txt": b"notices"}


def test_a_wheel_that_names_a_folder_of_its_builder_is_refused(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/builder")
    monkeypatch.setenv("CARGO_HOME", "/var/cargo")
    for place in ("/home/builder/x.rs", "/var/cargo/x.rs", "/srv/.cargo/registry/src/x.rs", f"{ROOT}/rust/x.rs"):
        wheel = _wheel(tmp_path, NOTICES | {"made/_core.so": b"\0panicked at " + place.encode() + b"\0"})
        problems = script.problems_of(wheel, script.builders_folders())
        assert len(problems) == 1, place
        assert problems[0].startswith("made/_core.so names ")


def test_a_wheel_without_notices_is_refused(script: ModuleType, tmp_path: Path) -> None:
    assert script.problems_of(_wheel(tmp_path, {"made/x.py": b""}), script.builders_folders()) == [
        "licenses/THIRD_PARTY_NOTICES.txt is missing"
    ]


def test_a_clean_wheel_passes(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for home in ("/home/builder", "/root", "/"):
        monkeypatch.setenv("HOME", home)
        wheel = _wheel(tmp_path, NOTICES | {"made/_core.so": b"/crates/ring-0.17.14/src/x.rs /pynenc-rs/rust/x.rs"})
        assert script.problems_of(wheel, script.builders_folders()) == []


def test_a_bill_of_materials_is_cleaned_and_its_hash_is_right(script: ModuleType, tmp_path: Path) -> None:
    bill, other = "made.dist-info/sboms/made.json", "made/x.py"
    members = NOTICES | {bill: f"path+file://{ROOT}/rust/core".encode(), other: b"x = 1"}
    record = "".join(f"{name},sha256=old,1\n" for name in (*members, "a,b.py")).replace("a,b.py", '"a,b.py"')
    wheel = _wheel(tmp_path, members | {"made.dist-info/RECORD": f"{record}made.dist-info/RECORD,,\n".encode()})
    assert script.problems_of(wheel, script.builders_folders()) != []
    assert _loaded("clean_wheel").main(tmp_path) == 0
    assert script.problems_of(wheel, script.builders_folders()) == []
    with zipfile.ZipFile(wheel) as archive:
        content, lines = archive.read(bill), archive.read("made.dist-info/RECORD").decode().splitlines()
        assert archive.namelist() == [*members, "made.dist-info/RECORD"]
    assert content == b"path+file:///pynenc-rs/rust/core"
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    assert f"{bill},sha256={digest},{len(content)}" in lines
    assert '"a,b.py",sha256=old,1' in lines
    assert f"{other},sha256=old,1" in lines
