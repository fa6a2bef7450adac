"""Help with testing and measuring code that uses pynenc; pytest loads `pynenc.testing.plugin` by itself."""
