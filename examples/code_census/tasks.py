"""The tasks: one for the tree, one per package, one per batch of files. Each waits for its children inside its body.

A waiting task holds no slot, so this works with a single slot.
"""

from __future__ import annotations

import warnings

import census as counting
from census import Census, Counts

from pynenc import Pynenc

# The id can be set from outside (PYNENC__APP_ID), as can the store (PYNENC__STORE_URL).
app = Pynenc(config_values={"app_id": "code_census"})

# Warnings of the parser about other people's source are not interesting here.
warnings.filterwarnings("ignore", category=SyntaxWarning, module=counting.SOURCE_NAME)
warnings.filterwarnings("ignore", category=DeprecationWarning, module=counting.SOURCE_NAME)


@app.task
def census(root: str) -> Census:
    """Count the whole tree."""
    return counting.summarize(count_package.parallelize([(root, name) for name in counting.packages(root)]).results)


@app.task
def count_package(root: str, package: str) -> tuple[str, Counts]:
    """Count one package. The result contains its name, because results arrive in the order in which they finish."""
    batches = counting.batches_of(root, package)
    return package, counting.merge(count_batch.parallelize([(root, files) for files in batches]).results)


@app.task
def count_batch(root: str, files: list[str]) -> Counts:
    """Parse and count some files."""
    return counting.count_files(root, files)
