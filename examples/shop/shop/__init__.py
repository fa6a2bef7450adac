"""A small shop: FastAPI takes orders, pynenc tasks fulfil them."""
