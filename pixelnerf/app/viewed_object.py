"""What all windows of the viewer share: the object, which photos it is made of, and the folder that is saved to."""

import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch

from pixelnerf.app.api import Model, Scene
from pixelnerf.app.training_world import Placement
from pixelnerf.tools.files import refusal_in_a_line

REMEMBERED = 8
"""Encoded objects: going back to photos that were chosen before costs nothing."""


class ViewedObject:
    """An object in the training world (about the origin, longest side 1, z up), and the photos that it is made of.

    Safe to use from several threads.

    Attributes:
        name: of the object, as the user's files have it.
        photos: all that can be included.
        placement: of the object in the user's world.
        notes: what was assumed.
        network: held by whoever evaluates the network, which uses all cores.
    """

    def __init__(self, model: Model, scene: Scene, name: str) -> None:
        self.name, self.photos, self.placement = name, scene.photos, scene.placement
        self.notes = (*scene.notes, *scene.warnings)
        self.network = threading.Lock()
        self._model = model
        self._choosing, self._listening = threading.Lock(), threading.Lock()
        self._encoded = lru_cache(REMEMBERED)(self._encode)
        self._listeners: list[Callable[[], None]] = []
        everything = tuple(range(len(self.photos)))
        self._state = everything, self._encoded(everything)

    @property
    def scene(self) -> Scene:
        """The object made of the included photos, baked."""
        return self._state[1]

    @property
    def included(self) -> tuple[int, ...]:
        """Indices of the included photos, at least one."""
        return self._state[0]

    def include(self, index: int, wanted: bool) -> bool:
        """Includes or leaves out a photo, and encodes and bakes; listeners are called if anything changed.

        Returns:
            False if it is the last photo, which stays.
        """
        with self._choosing:
            chosen = set(self.included) | {index} if wanted else set(self.included) - {index}
            if not chosen:
                return False
            if chosen == set(self.included):
                return True
            included = tuple(sorted(chosen))
            self._state = included, self._encoded(included)
        with self._listening:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()
        return True

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` after every change, until the returned function is called."""
        with self._listening:
            self._listeners.append(listener)

        def stop() -> None:
            with self._listening:
                self._listeners.remove(listener)

        return stop

    def _encode(self, included: tuple[int, ...]) -> Scene:
        own_world = Placement(torch.zeros(3), 1.0, torch.eye(3))
        with self.network:
            scene = Scene(self._model, [self.photos[index] for index in included], own_world)
            _ = scene.volume
        return scene


class SaveFolder:
    """Hands out names of new files in a folder: no file is replaced, whoever saves at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._given: set[Path] = set()

    def new_file(self, kind: str, suffix: str) -> Path:
        """`folder/kind_000.suffix`, with the first number that is free; the folder is made.

        Raises:
            UserError: the folder cannot be made.
        """
        with self._lock, refusal_in_a_line(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            number = 0
            while (path := self.folder / f"{kind}_{number:03}{suffix}") in self._given or path.exists():
                number += 1
            self._given.add(path)
        return path
