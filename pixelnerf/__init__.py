"""Few-shot view synthesis: pixelNeRF's image conditioning with mip-NeRF's cones.

Speed on the CPU, for programs that use the package as a library: with glibc, the first use of a net makes the process
keep the memory of freed tensors (`pixelnerf.tools.process.keep_freed_memory`; set `MALLOC_TRIM_THRESHOLD_` in the
environment to prevent it). Flushing denormals to zero is left to you, because it changes the arithmetic of the calling
thread and of those that it starts: call `torch.set_flush_denormal(True)` first thing, as our own programs do.
"""

__version__ = "0.1.0"
