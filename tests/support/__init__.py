"""The common parts of the black-box tests: worlds of one app and one runner, processes, ledgers, flags, bodies."""
