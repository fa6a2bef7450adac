"""The import detects the distribution `pynenc` beside this one, and warns."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from support.processes import child_environment

from pynenc import _warn_if_both_installed
from pynenc.util.search_path import metadata_folder


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of `sys.path`."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "missing"), str(tmp_path / "archive.zip"), str(folder)])
    (tmp_path / "archive.zip").write_bytes(b"")
    return folder


@pytest.mark.parametrize("name", ["pynenc-0.4.0.dist-info", "pynenc-0.0.16.egg-info", "pynenc-1.0rc1-py3.11.egg-info"])
def test_the_other_distribution_is_found_and_warned_of_with_what_to_do(installed: Path, name: str) -> None:
    (installed / name).mkdir()
    assert metadata_folder("pynenc") == str(installed / name)
    with pytest.warns(RuntimeWarning) as caught:
        _warn_if_both_installed()
    [warning] = caught
    assert str(installed / name) in str(warning.message)
    assert "pip uninstall -y pynenc pynenc-rs && pip install pynenc-rs" in str(warning.message)


@pytest.mark.parametrize(
    "name",
    [
        "pynenc_rs-0.1.0.dist-info",
        "pynenc_redis-0.1.0.dist-info",
        "pynencx-1.0.dist-info",
        "pynenc",
        "pynenc-0.4.0",
        "pynenc-0.4.0.data",
        "notpynenc-1.0.dist-info",
    ],
)
def test_an_installed_package_of_another_name_causes_no_warning(installed: Path, name: str) -> None:
    (installed / name).mkdir()
    assert metadata_folder("pynenc") is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _warn_if_both_installed()


def test_the_working_folder_is_searched_if_it_is_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pynenc-0.4.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [])
    assert metadata_folder("pynenc") is None
    monkeypatch.setattr(sys, "path", [""])
    assert metadata_folder("pynenc") is not None


def test_importing_the_package_warns_and_works(tmp_path: Path) -> None:
    (tmp_path / "pynenc-0.4.0.dist-info").mkdir()
    environment = child_environment()
    environment["PYTHONPATH"] += f":{tmp_path}"
    done = subprocess.run(
        [sys.executable, "-c", "import pynenc; print(pynenc.Pynenc('shop').app_id)"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "shop\n"
    assert done.stderr.count("RuntimeWarning: the distributions 'pynenc'") == 1
    assert "pynenc-0.4.0.dist-info" in done.stderr
