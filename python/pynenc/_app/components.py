"""The components of an app: views over its store, and the serializer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pynenc._kernel.runtime import AppRuntime
    from pynenc.broker.base_broker import BaseBroker
    from pynenc.client_data_store.base_client_data_store import BaseClientDataStore
    from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
    from pynenc.serializer.base_serializer import BaseSerializer
    from pynenc.state_backend.base_state_backend import BaseStateBackend
    from pynenc.trigger.base_trigger import BaseTrigger


class AppComponents:
    """The components of an app. Each is made at first use."""

    _runtime: AppRuntime

    @property
    def orchestrator(self) -> BaseOrchestrator:
        """Statuses, and work for a user's runner: a view over the store."""
        from pynenc.orchestrator import BaseOrchestrator

        return self._runtime.component("orchestrator", BaseOrchestrator)

    @property
    def broker(self) -> BaseBroker:
        """The queues: a view over the store."""
        from pynenc.broker import BaseBroker

        return self._runtime.component("broker", BaseBroker)

    @property
    def state_backend(self) -> BaseStateBackend:
        """Invocations, results and histories: a view over the store."""
        from pynenc.state_backend import BaseStateBackend

        return self._runtime.component("state_backend", BaseStateBackend)

    @property
    def trigger(self) -> BaseTrigger:
        """The component for triggers, which this build does not have."""
        from pynenc.trigger import BaseTrigger

        return self._runtime.component("trigger", BaseTrigger)

    @property
    def client_data_store(self) -> BaseClientDataStore:
        """Values as text and back, with the serializer of the app."""
        from pynenc.client_data_store import BaseClientDataStore

        return self._runtime.component("client_data_store", BaseClientDataStore)

    @property
    def serializer(self) -> BaseSerializer:
        """The serializer that `serializer_cls` names."""
        return self._runtime.serializer
