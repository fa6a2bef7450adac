"""Names and paths of pynenc 0.4 that this package keeps elsewhere."""
