"""Wrong words on the command line cause an error that suggests similar ones; missing commands are not listed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from pynenc.cli.main import main


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["rnner", "start"], "no command 'rnner': did you mean runner? (commands: redis, runner, show_config, status)"),
        (["runner", "strat"], "no command 'strat': did you mean start? (commands: show_config, start)"),
        (["start"], "no command 'start': did you mean runner start? (commands: redis, runner, show_config, status)"),
        (["render"], "did you mean status render?"),
        (["statu"], "no command 'statu': did you mean status?"),
        ([], "no command was given (commands: redis, runner, show_config, status): pynenc --help says"),
        (["runner"], "no command was given (commands: show_config, start): pynenc runner --help says"),
        (["zzz"], "no command 'zzz' (commands: redis, runner, show_config, status)"),
        (["runner", "start", "--runer", "ThreadRunner"], "for --runer did you mean --runner"),
        (["runner", "start", "--quues=a"], "for --quues did you mean --queues"),
        (["status", "render", "--outptu", "a.svg"], "for --outptu did you mean --output"),
        (["show_config", "--zzzzz"], "unrecognized arguments: --zzzzz\n"),
    ],
)
def test_a_wrong_word_ends_with_2_and_near_words(capsys: Any, words: list[str], answer: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert answer in shown
    assert "monitor" not in shown


@pytest.mark.parametrize("words", [["--help"], ["runner", "--help"], ["runner", "start", "--help"]])
def test_the_help_does_not_offer_a_monitor(capsys: Any, words: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert "monitor" not in capsys.readouterr().out


def test_the_error_of_an_unknown_runner_lists_the_known_runners(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, memory_env: None
) -> None:
    assert main(["--app", "support.jobs", "runner", "start", "--runner", "ThredRunner"]) == 1
    shown = capsys.readouterr().err
    assert "did you mean ThreadRunner" in shown
    assert "PersistentProcessRunner" in shown
    assert not re.search(r"\b(DummyRunner|ExternalRunner|WorkerFace|ProcessPoolRunner)\b", shown)


@pytest.mark.parametrize("command", ["start", "show_config"])
def test_a_configured_runner_that_does_not_exist_is_answered_with_its_setting(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, memory_env: None, tmp_path: Path, command: str
) -> None:
    monkeypatch.setenv("PYNENC__RUNNER_CLS", "TreadRunner")
    monkeypatch.chdir(tmp_path)
    # A different name each time, because a module is imported once.
    (tmp_path / f"treads_{command}.py").write_text("from pynenc import Pynenc\n\napp = Pynenc()\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert main(["--app", f"treads_{command}", "runner", command]) == 1
    shown = capsys.readouterr().err
    assert re.search(r"runner_cls \(from .*PYNENC__RUNNER_CLS\): .*'TreadRunner': did you mean ThreadRunner", shown)
    assert "PersistentProcessRunner" in shown
    assert not re.search(r"\b(DummyRunner|ExternalRunner|WorkerFace|ProcessPoolRunner)\b", shown)


def test_show_config_names_settings_without_effect_at_its_end(capsys: Any, memory_env: None) -> None:
    assert main(["--app", "support.jobs", "show_config"]) == 0
    settings, _, others = capsys.readouterr().out.partition("\nAccepted for compatibility, without effect: ")
    assert "  lease_sec = " in settings
    assert "cached_status_time" not in settings
    assert "cached_status_time" in others.split(", ")
