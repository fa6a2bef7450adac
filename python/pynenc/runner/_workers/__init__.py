"""The side of the runner: its pool of worker processes, and the zygote that forks them."""
