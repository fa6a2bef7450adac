"""A parser of command lines whose errors suggest similar names."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import NoReturn

from pynenc.util.near_names import did_you_mean

_CHOICE = re.compile(r"argument COMMAND: invalid choice: '(?P<given>[^']*)' \(choose from .*\)")
_NONE = "the following arguments are required: COMMAND"
_UNKNOWN = re.compile(r"unrecognized arguments: (?P<given>.*)")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors suggest similar options and commands."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, and exit with 2."""
        choice, unknown = _CHOICE.fullmatch(message), _UNKNOWN.fullmatch(message)
        if choice is not None:
            commands = sorted(_commands(self))
            hint = _inner_hint(self, choice["given"]) or did_you_mean(choice["given"], commands)
            message = f"no command {choice['given']!r}{f': {hint}' if hint else ''} (commands: {', '.join(commands)})"
        elif message == _NONE:
            message = (
                f"no command was given (commands: {', '.join(sorted(_commands(self)))}): {self.prog} --help says more"
            )
        elif unknown is not None:
            given = [word.partition("=")[0] for word in unknown["given"].split() if word.startswith("--")]
            hints = [f"for {word} {hint}" for word in given if (hint := did_you_mean(word, _options(self)))]
            message = "; ".join([message, *hints])
        super().error(message)


def _inner_hint(parser: argparse.ArgumentParser, given: str) -> str:
    """Return a hint for a word that is a command only after another command: `runner start` for `start`."""
    offered = set(_commands(parser))
    found = sorted(
        f"{name} {given}"
        for group in _groups(parser)
        for name, command in group.choices.items()
        if name in offered and given in set(_commands(command))
    )
    return f"did you mean {' or '.join(found)}?" if found else ""


def _commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the commands that have a help text; a command without is hidden."""
    for group in _groups(parser):
        helps = {one.dest: one.help for one in group._choices_actions}
        yield from (name for name in group.choices if helps.get(name) is not None)


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """Return the options of a parser and of its commands."""
    found = {option for action in parser._actions for option in action.option_strings if option.startswith("--")}
    for group in _groups(parser):
        for each in group.choices.values():
            found |= _options(each)
    return found


def _groups(parser: argparse.ArgumentParser) -> Iterator[argparse._SubParsersAction[argparse.ArgumentParser]]:
    return (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
