"""Writing Lightning's checkpoints."""

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from typing_extensions import override

from pixelnerf.tools.files import file_written_whole


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints appear whole or not at all, so a crash never leaves half a file."""

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # Into an open file: given a path, torch would put the temporary name into the archive.
        with file_written_whole(Path(path)) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)
