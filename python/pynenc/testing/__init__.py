"""For those who extend pynenc: suites that say whether an extension keeps the promises, fixtures, and benchmarks."""
