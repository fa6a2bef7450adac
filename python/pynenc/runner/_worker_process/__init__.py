"""The side of the child: what a worker process does from its fork to its end."""
