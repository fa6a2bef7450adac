"""Module paths of pynenc 0.4 that this package does not have: a table, and the importer that serves it.

Code written for pynenc imports from these paths. Type checkers do not see them: annotated code imports from the module
on the right of the table.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PATHS: dict[str, dict[str, str]] = {
    "pynenc.conf.config_base": {"ConfigBase": "pynenc.conf.base"},
    "pynenc.conf.constants": {
        "ENV_FILEPATH": "pynenc._compat.constants",
        "ENV_PREFIX": "pynenc._compat.constants",
        "ENV_SEP": "pynenc._compat.constants",
    },
    "pynenc.identifiers.call_id": {"CallId": "pynenc.identifiers"},
    "pynenc.identifiers.invocation_id": {"InvocationId": "pynenc.identifiers"},
    "pynenc.identifiers.task_id": {"TaskId": "pynenc.identifiers"},
    "pynenc.models": {
        "CallDTO": "pynenc.call",
        "InvocationDTO": "pynenc.invocation",
        "TriggerDefinitionDTO": "pynenc.trigger",
    },
    "pynenc.models.call_dto": {"CallDTO": "pynenc.call"},
    "pynenc.models.invocation_dto": {"InvocationDTO": "pynenc.invocation"},
    "pynenc.models.trigger_definition_dto": {"TriggerDefinitionDTO": "pynenc.trigger"},
    "pynenc.orchestrator.atomic_service": {
        "ActiveRunnerInfo": "pynenc._views.controls",
        "AtomicServiceRun": "pynenc.runner.external_runner",
    },
    # Stops are described in the log here, not by an object.
    "pynenc.runner.shutdown_diagnostics": {},
    "pynenc.runner.runner_context": {"RunnerContext": "pynenc._identity.runner_context"},
    "pynenc.serializer.constants": {"ReservedKeys": "pynenc._compat.constants"},
    "pynenc.util.asyncio_helper": {},
    "pynenc.util.files": {"read_file": "pynenc.conf.sources"},
    "pynenc.util.import_app": {"find_app": "pynenc.cli.app_discovery"},
    "pynenc.util.import_tools": {},
    "pynenc.util.log": {"create_logger": "pynenc._logs.app_logger"},
}
"""Old path -> name -> the module that has it."""


class OldPaths:
    """Finds the modules of `PATHS`. It comes after all other finders, so that they find existing modules first."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of an old path; None for any other module."""
        if not fullname.startswith("pynenc.") or fullname not in PATHS:
            return None
        from importlib.machinery import ModuleSpec

        is_package = any(other.startswith(f"{fullname}.") for other in PATHS)
        loader: Any = cls()
        return ModuleSpec(fullname, loader, origin=__name__, is_package=is_package)

    def create_module(self, spec: ModuleSpec) -> None:
        """Have the import system make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its names."""
        names = PATHS[module.__name__]
        module.__doc__ = f"Path of pynenc 0.4. {_places(names)}"
        for name, place in names.items():
            setattr(module, name, getattr(importlib.import_module(place), name))
        module.__dict__["__all__"] = sorted(names)


def _places(names: dict[str, str]) -> str:
    return "; ".join(f"{name} is in {place}" for name, place in names.items()) or "None of its names is here."


def serve_old_paths() -> None:
    """Make the modules of `PATHS` importable."""
    if OldPaths not in sys.meta_path:
        finder: Any = OldPaths
        sys.meta_path.append(finder)
