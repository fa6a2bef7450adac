"""`scripts/try_wheel.py` looks into a wheel before it is tried."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("try_wheel", ROOT / "scripts" / "try_wheel.py")
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
