"""An app that encrypts and signs its payloads. The keys come from the environment."""

from fernet_codec import FernetCodec

from pynenc import Pynenc

app = Pynenc("encrypted_payloads", payload_codec=FernetCodec())


@app.task
def greet(name: str) -> str:
    return f"Hello, {name}"
