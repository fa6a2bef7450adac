"""The warning of a wait without any live runner names the command that starts one, and the location of the store."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.modules import forgotten_modules, write_file
from support.waiting import wait_until

from pynenc import Pynenc
from pynenc.exceptions import InvocationTimeoutError

SHOP = "from pynenc import Pynenc\n\napp = Pynenc('shop')\n\n\n@app.task\ndef sell() -> int:\n    return 1\n"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Any]:
    write_file("shop_tasks.py", SHOP)
    write_file("web.py", "from shop_tasks import app\n")
    with forgotten_modules():
        sys.path.insert(0, str(tmp_path))
        import web  # type: ignore[import-not-found]

        assert web.app
        yield sys.modules["shop_tasks"]


def _timeout(invocation: Any) -> str:
    with pytest.raises(InvocationTimeoutError) as raised:
        invocation.get_result(timeout=0.01)
    return str(raised.value)


def test_the_command_is_named_and_where_the_default_file_is(
    shop: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    advice = (
        "no live runner of app 'shop' is known in this store: start one with `pynenc --app shop_tasks runner start` "
        f"in the folder {tmp_path}. The store is the default file, which goes by the working folder"
    )
    shop.app.conf.wait_warning_sec = 0.05
    invocation = shop.sell()
    assert advice in _timeout(invocation)
    with pytest.raises(InvocationTimeoutError):
        invocation.get_result(timeout=0.1)
    written: list[str] = []

    def warned() -> bool:
        written.append(capsys.readouterr().err)
        return any("WARNING" in line and advice in line for line in "".join(written).splitlines())

    wait_until(warned, "the log says it too")


def test_of_another_store_the_working_folder_is_not_named(
    shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.app.conf.store_url = f"sqlite:///{tmp_path}/elsewhere.db"
    text = _timeout(shop.sell())
    assert text.endswith("start one with `pynenc --app shop_tasks runner start`, and see that it names the same store")


def _local() -> int:
    return 1


def test_of_an_app_in_no_module_no_command_is_made_up() -> None:
    text = _timeout(Pynenc("nowhere").task(_local)())
    assert "is known in this store: start one in the folder " in text
    assert "--app" not in text
