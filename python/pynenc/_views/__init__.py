"""The common part of the views of the store (`broker`, `orchestrator`, `state_backend`)."""
