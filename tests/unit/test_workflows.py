"""The workflows pin everything that they use: actions by commit, tools by hash; and they attest their output."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

GITHUB = Path(__file__).resolve().parents[2] / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))


def _steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_an_action_is_named_by_its_commit(workflow: Path) -> None:
    uses = [step["uses"] for step in _steps(workflow) if "uses" in step]
    assert uses
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each) for each in uses), uses


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_write_nothing_unless_a_job_says_so(workflow: Path) -> None:
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}


def test_tools_that_build_a_wheel_are_installed_by_hash() -> None:
    lines = (GITHUB / "requirements-wheel.txt").read_text().replace("\\\n", " ").splitlines()
    requirements = [line for line in lines if line and not line.startswith("#")]
    assert [line.split("==")[0] for line in requirements] == ["maturin", "ziglang"]
    for line in requirements:
        assert re.fullmatch(r"[a-z]+==[0-9.]+(\s+--hash=sha256:[0-9a-f]{64}){2}\s*", line), line
    runs = [step["run"] for step in _steps(GITHUB / "workflows" / "wheels.yml") if "run" in step]
    installs = [run for run in runs if "pip install" in run or run.startswith("make")]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert "requirements-wheel.txt" in installs[0]


def test_a_wheel_is_attested_after_it_was_tried_and_before_it_is_uploaded() -> None:
    [job] = yaml.safe_load((GITHUB / "workflows" / "wheels.yml").read_text())["jobs"].values()
    assert job["permissions"] == {"contents": "read", "id-token": "write", "attestations": "write"}
    order = [step.get("uses", step.get("run", "")) for step in job["steps"]]
    tried, attested, uploaded = (
        next(index for index, each in enumerate(order) if part in each)
        for part in ("try_wheel.py", "attest-build-provenance", "upload-artifact")
    )
    assert tried < attested < uploaded
    assert job["steps"][attested]["with"]["subject-path"] == "dist/*.whl"
