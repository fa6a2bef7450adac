"""A function that is no task yet."""


def plain(a: int, b: int) -> int:
    return a + b
