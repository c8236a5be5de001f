"""Decoded photos kept in memory up to a number of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np


class ImageCache:
    """Least recently used arrays go first when the budget is exceeded.

    An array larger than the whole budget is passed through and not kept.
    """

    def __init__(self, gib: float) -> None:
        self.budget = int(gib * 2**30)
        self.used = 0
        self._arrays: OrderedDict[Hashable, np.ndarray] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The array kept under a key, or the one made now."""
        array = self._arrays.get(key)
        if array is not None:
            self._arrays.move_to_end(key)
            return array
        array = make()
        if array.nbytes > self.budget:
            return array
        self._arrays[key] = array
        self.used += array.nbytes
        while self.used > self.budget:
            _, dropped = self._arrays.popitem(last=False)
            self.used -= dropped.nbytes
        return array
