"""Redis: `layout.rs` is the only place that types a status, an offset, a width or a limit."""

import re
from collections.abc import Iterator
from pathlib import Path

CRATE = Path(__file__).parents[2] / "rust" / "stores" / "redis"
SCRIPTS = sorted((CRATE / "scripts").rglob("*.lua"))
VERBS = sorted((CRATE / "src" / "verbs").glob("*.rs"))

#: Counting, pairs, the base of bytes, and milliseconds in a second: no part of any layout.
ARITHMETIC = {0, 1, 2, 256, 65536, 1000, 1000000}
LONGEST_SCRIPT = 200

#: Positions in the lists that a script receives, or that it has made itself.
POSITIONS = [
    r"(KEYS|ARGV)\[[^\]]*\]",
    r"\((KEYS|ARGV), [^)]*\)",
    r"#(KEYS|ARGV) ?(-|==|>) ?\d+(, \d+)?",
    r"= \d+, #(KEYS|ARGV)",
    r"for key = \d+, \d+, -\d+",
    r"(?<=\w)\[\d+\]",
]


def _typed_numbers(script: str) -> Iterator[str]:
    for line in script.splitlines():
        code = re.sub(r"--.*|\$[A-Z_]+", "", line)
        for position in POSITIONS:
            code = re.sub(position, "", code)
        # A format of struct.pack is as many widths; a run of zero bytes is a width.
        typed = bool(re.search(r"'>|(\\0){2}|\\[1-9]", code))
        code = code.replace("%06d", "").replace("%.0f", "")
        typed |= any(int(number) not in ARITHMETIC for number in re.findall(r"(?<![\w.\\])\d+", code))
        if typed:
            yield line.strip()


def test_no_script_types_a_number_of_the_layout() -> None:
    typed = [f"{path.relative_to(CRATE)}: {line}" for path in SCRIPTS for line in _typed_numbers(path.read_text())]
    assert not typed, "\n".join(["give these numbers a name in rust/stores/redis/src/layout.rs:", *typed])


def test_no_verb_types_a_number_of_the_layout() -> None:
    typed = []
    for path in VERBS:
        for line in path.read_text().splitlines():
            code = re.sub(r"//.*|\"[^\"]*\"", "", line)
            numbers = re.findall(r"(?<![\w.])\d[\d_]*", code)
            if any(int(number.replace("_", "")) not in ARITHMETIC for number in numbers):
                typed.append(f"{path.name}: {line.strip()}")
    assert not typed, "\n".join(["give these numbers a name in layout.rs or limits.rs:", *typed])


def test_no_script_file_is_longer_than_a_reader_can_take_in() -> None:
    lines = {str(path.relative_to(CRATE)): len(path.read_text().splitlines()) for path in SCRIPTS}
    assert not {name: count for name, count in lines.items() if count > LONGEST_SCRIPT}


def test_the_checks_find_what_they_look_for() -> None:
    for line in (
        "if status == 6 then",
        "sub(raw, 3, 10)",
        "pack('>I6', now)",
        "local none = '\\0\\0'",
        "r.status = 14",
    ):
        assert list(_typed_numbers(line)) == [line]
    for line in ("sub(raw, $FENCE_AT, $FENCE_END)", "KEYS[3 * i - 33]", "high * 65536 + middle * 256 -- 12"):
        assert not list(_typed_numbers(line))
