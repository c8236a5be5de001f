"""Evenly spread indices."""


def spread(length: int, count: int) -> list[int]:
    """Up to `count` distinct indices below `length`: the middles of `count` equal intervals.

    >>> spread(10, 3)
    [1, 5, 8]
    """
    count = min(count, length)
    return [(2 * index + 1) * length // (2 * count) for index in range(count)]
