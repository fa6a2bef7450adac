"""Step 8, result: how threads and event loops wait for invocations."""
