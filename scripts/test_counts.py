"""Print how many tests ran, from the reports of `make test`; under PYNENC_CI=1 a test that did not run is a failure.

Usage: test_counts.py REPORT_FOLDER (holding cargo.txt, and the pytest-*.xml of both calls of pytest)
"""

import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

CARGO_RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", re.MULTILINE)


def cargo_counts(report: Path) -> tuple[int, int, int]:
    """`(passed, failed, not run)` over all test binaries."""
    results = CARGO_RESULT.findall(report.read_text(errors="replace"))
    passed, failed, ignored = (sum(int(row[column]) for row in results) for column in range(3))
    return passed, failed, ignored


def pytest_counts(reports: list[Path]) -> tuple[int, int, int]:
    """`(passed, failed, not run)` over all calls; an expected failure counts as not run, since it proves nothing."""
    suites = [suite for report in reports for suite in ElementTree.parse(report).getroot().iter("testsuite")]
    total, failed, errors, skipped = (
        sum(int(suite.get(key, "0")) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
    )
    return total - failed - errors - skipped, failed + errors, skipped


def main(folder: Path) -> int:
    """0 if both kinds of tests ran, none failed and, in CI, none was left out."""
    # By name: a call of pytest that wrote no report is no call that found nothing.
    reports = [folder / f"pytest-{half}.xml" for half in ("beside", "alone")]
    counts = {"cargo": cargo_counts(folder / "cargo.txt"), "pytest": pytest_counts(reports)}
    verdict = 0
    for kind, (passed, failed, not_run) in counts.items():
        print(f"{kind:7} {passed} passed, {failed} failed, {not_run} not run")
        if failed or not passed or (not_run and os.environ.get("PYNENC_CI") == "1"):
            verdict = 1
    print(f"total   {sum(passed for passed, _, _ in counts.values())} passed" + (": FAILED" if verdict else ""))
    return verdict


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
