"""Training on several datasets at once; every scene keeps its own near, far, background and size."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import overload

from typing_extensions import override

from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import OnError, Scene, SceneDataset, SceneGroup, Split


class ChainedScenes(Sequence[Scene]):
    """Sequences of scenes, concatenated."""

    def __init__(self, parts: Sequence[Sequence[Scene]]) -> None:
        self._parts = parts
        self._ends = list(accumulate(len(part) for part in parts))

    @override
    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> Scene: ...

    @overload
    def __getitem__(self, index: slice) -> "ChainedScenes": ...

    @override
    def __getitem__(self, index: int | slice) -> "Scene | ChainedScenes":
        if isinstance(index, slice):
            raise TypeError("chained scenes cannot be sliced; index them one by one")
        index = range(len(self))[index]
        part = next(number for number, end in enumerate(self._ends) if index < end)
        return self._parts[part][index - self._ends[part]]


class MixedDataset(SceneDataset):
    """For each object of a training batch, draws a dataset by weight, then one of its scenes."""

    def __init__(self, parts: Mapping[str, SceneDataset], weights: Mapping[str, float], on_error: OnError) -> None:
        self.on_error = on_error
        self._parts = parts
        self._weights = weights

    @override
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        if categories is not None:
            raise UserError("a mixture has no categories: evaluate its datasets one by one, for instance dataset=nmr")
        return ChainedScenes([part.scenes(split) for part in self._parts.values()])

    @override
    def groups(self, split: Split) -> tuple[SceneGroup, ...]:
        return tuple(SceneGroup(part.scenes(split), self._weights[name]) for name, part in self._parts.items())
