"""Step 2, submit: hand calls to the store, or run them here in dev mode."""
