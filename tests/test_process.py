"""Memory of freed tensors is kept from the first use of a net on, unless the host program has chosen otherwise."""

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from pathlib import Path
import torch
from builders import FAR, NEAR, first_rays, random_photos, ring_cameras, small_net
from pixelnerf.geometry.rays import image_rays

if sys.argv[1] == "render":
    net = small_net(Path(".."))
    rays = first_rays(image_rays(ring_cameras(1, 24)[0, 0], NEAR, FAR), 4)
    with torch.no_grad():
        net.render(net.encode(random_photos(ring_cameras(1))), rays, torch.ones(1, 3))
# The heap grows for some rounds: an aligned block needs a little more room than the one that was freed.
for _ in range(12):
    torch.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(repository, action, **environment):
    """Page faults of allocating and filling a tensor of 64 MiB four times more."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, action],
        cwd=repository / "tests",
        env=variables | environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_a_net_keeps_freed_memory_from_its_first_use_on(repository):
    # One page fault is 2 MiB where huge pages are on, else 4 KiB.
    unused = faults(repository, "import")
    assert unused >= 4 * 32
    assert faults(repository, "render") < unused / 8
    assert faults(repository, "render", MALLOC_MMAP_MAX_="65536") >= 4 * 32
