"""The store of large values of apps in memory, by name."""

from pynenc.client_data_store.base_client_data_store import BaseClientDataStore


class MemClientDataStore(BaseClientDataStore):
    """A class name from settings made for pynenc. It adds nothing to `BaseClientDataStore`."""
