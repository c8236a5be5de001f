"""Indices that are evenly spread over a range."""


def spread(length: int, count: int) -> list[int]:
    """Up to `count` different indices below `length`: the middles of `count` equal parts.

    >>> spread(10, 3)
    [1, 5, 8]
    """
    count = min(count, length)
    return [(2 * index + 1) * length // (2 * count) for index in range(count)]
