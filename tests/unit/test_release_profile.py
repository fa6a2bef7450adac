"""The release profile of Cargo.toml turns an integer overflow into an error."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path

PROFILE = tomllib.loads((Path(__file__).resolve().parents[2] / "Cargo.toml").read_text())["profile"]["release"]
PROGRAM = """
fn main() {
    for argument in std::env::args().skip(1) {
        let number: u8 = argument.parse().unwrap();
        let sum = std::panic::catch_unwind(|| number + 1);
        println!("{}", sum.map_or("reported".into(), |sum| sum.to_string()));
    }
}
"""


def test_an_integer_that_overflows_in_a_release_build_is_reported(tmp_path: Path) -> None:
    # Options that only lengthen the build are omitted.
    profile = {name: PROFILE[name] for name in ("panic", "overflow-checks")}
    settings = "".join(f"{name} = {json.dumps(value)}\n" for name, value in profile.items())
    manifest = '[package]\nname = "adds"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[profile.release]\n'
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.rs").write_text(PROGRAM)
    (tmp_path / "Cargo.toml").write_text(manifest + settings)
    # Settings of the environment for faster builds are ignored.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARGO_PROFILE")}
    command = ["cargo", "run", "--quiet", "--release", "--offline", "--", "254", "255"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["255", "reported"]
