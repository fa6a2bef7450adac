"""What the black-box tests share: worlds of one app and one runner, runner processes, ledgers, flags, task bodies."""
