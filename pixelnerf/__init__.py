"""Few-shot view synthesis: pixelNeRF's image conditioning with mip-NeRF's cones.

Speed on the CPU, for programs that use the package as a library: with glibc, the first use of a net makes the process
keep the memory of freed tensors (`pixelnerf.tools.process.keep_freed_memory`; set `MALLOC_TRIM_THRESHOLD_` in the
environment to prevent it). Flushing denormals to zero is left to you, because it changes the arithmetic of the calling
thread and of those that it starts: call `torch.set_flush_denormal(True)` first thing, as our own programs do.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pixelnerf.app.api import Model, Scene, load
    from pixelnerf.app.camera import Camera
    from pixelnerf.app.pictures import Picture

__version__ = "0.1.0"

__all__ = ["Camera", "Model", "Picture", "Scene", "load"]


def __getattr__(name: str) -> Any:
    """The front door's names, imported when they are first used: it is above all other rooms, and slow to import."""
    if name == "Camera":
        from pixelnerf.app.camera import Camera

        return Camera
    if name in __all__:
        from pixelnerf.app import api

        return getattr(api, name)
    raise AttributeError(f"module 'pixelnerf' has no attribute '{name}'")
