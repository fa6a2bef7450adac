"""The tasks of the tests, in a user's style: one app, modules that import it, plain functions."""

from support.jobs import (
    basics,
    cancels,
    chaos,
    controls,
    decorated,
    dev,
    faults,
    forks,
    hostile,
    limits,
    neighbours,
    payloads,
    rogues,
    streams,
    waits,
)
from support.jobs.app import app

__all__ = [
    "app",
    "basics",
    "cancels",
    "chaos",
    "controls",
    "decorated",
    "dev",
    "faults",
    "forks",
    "hostile",
    "limits",
    "neighbours",
    "payloads",
    "rogues",
    "streams",
    "waits",
]
