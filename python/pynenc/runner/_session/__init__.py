"""What every runner is made of: its engine, waits, cancellations, signals, logs and signs of life."""
