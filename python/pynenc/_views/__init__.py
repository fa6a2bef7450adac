"""What the views over the store (`broker`, `orchestrator`, `state_backend`) have in common."""
