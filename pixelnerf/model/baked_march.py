"""Marching rays through a baked volume on the CPU, compiled by numba.

The same samples as `pixelnerf.model.baked.march`, which is its definition, at some tenth of the time: what is empty is
skipped, some bricks of cells at a time, and a ray ends when its light does.
"""

import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any, no_type_check

import numba
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

BRICK = 4
"""Cells along the side of what is skipped at once."""
FARTHEST = 8
"""Bricks that are skipped at once, at most, in each direction."""
FAINTEST = 2e-3
"""A ray ends when this share of its light is left, and what is left shows the background."""
ROWS_TOGETHER = 16


def march_on_cpu(
    values: Float[Tensor, "width height depth 4"],
    origin: Float[Tensor, "3"],
    matrix: Float[Tensor, "3 3"],
    cell: float,
    ranges: tuple[float, float, bool],
    background: Float[Tensor, "3"],
    size: tuple[int, int],
) -> Float[Tensor, "rows columns 6"]:
    """Colour, opacity, mean and median distance of all rays of an image; arguments as for `march`."""
    columns, rows = size
    # A layer of empty cells around, so that taps need no checks.
    padded = F.pad(values, (0, 0, 1, 1, 1, 1, 1, 1)).contiguous()
    full = (padded[..., 3] > 0).float()[None, None]
    # Taps at lower cell (i, j, k) find something if any of eight cells does.
    taps = F.max_pool3d(full, 2, stride=1)
    bricks = F.max_pool3d(taps, BRICK, stride=BRICK, ceil_mode=True)
    arrays = [array[0, 0].to(torch.uint8).numpy() for array in (taps, _gaps(bricks))]
    result = np.empty((rows, columns, 6), np.float32)
    camera = np.concatenate([matrix.T.flatten().numpy(), origin.numpy()]).astype(np.float64)

    def some(first: int) -> None:
        _march_rows(
            padded.numpy(),
            *arrays,
            camera,
            cell,
            *ranges,
            background.numpy(),
            result,
            first,
            min(first + ROWS_TOGETHER, rows),
        )

    starts = range(0, rows, ROWS_TOGETHER)
    if (threads := torch.get_num_threads()) == 1 or len(starts) == 1:
        for first in starts:
            some(first)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(some, starts))
    return torch.from_numpy(result)


def _gaps(bricks: Float[Tensor, "_ _ width height depth"]) -> Float[Tensor, "_ _ width height depth"]:
    """How many bricks away the nearest full one is, along the axis where it is farthest; at most `FARTHEST`."""
    gaps, reached = torch.zeros_like(bricks), bricks
    for _ in range(FARTHEST):
        gaps += reached == 0
        reached = F.max_pool3d(reached, 3, stride=1, padding=1)
    return gaps


def _compiled(function: Any) -> Any:
    """By numba, kept on disk where there is a folder that can be written to; some seconds at the first call if not."""
    plain = numba.njit(nogil=True, fastmath=True)(function)
    try:
        kept = numba.njit(nogil=True, fastmath=True, cache=True)(function)
    except RuntimeError:
        return plain

    def call(*arguments: Any) -> Any:
        try:
            return kept(*arguments)
        except (OSError, EOFError, pickle.UnpicklingError):  # a full disk, or a kept file that is damaged
            return plain(*arguments)

    return call


@_compiled
@no_type_check  # numba compiles the plain function
def _march_rows(  # noqa: ANN202 - numba finds the types
    values: ndarray,
    taps: ndarray,
    gaps: ndarray,
    camera: ndarray,
    cell: float,
    near: float,
    far: float,
    metric: bool,
    background: ndarray,
    result: ndarray,
    first: int,
    last: int,
):
    width, height, depth = values.shape[0] - 2, values.shape[1] - 2, values.shape[2] - 2
    ox, oy, oz = camera[9], camera[10], camera[11]
    for row in range(first, last):
        for column in range(result.shape[1]):
            x, y = column + 0.5, row + 0.5
            dx = camera[0] * x + camera[3] * y + camera[6]
            dy = camera[1] * x + camera[4] * y + camera[7]
            dz = camera[2] * x + camera[5] * y + camera[8]
            length = math.sqrt(dx * dx + dy * dy + dz * dz)
            dx, dy, dz = dx / length, dy / length, dz / length
            per_t = 1 / cell if metric else length / cell
            start, end = near * per_t, far * per_t
            # Half a cell around the box a linear interpolation still finds its outer cells.
            for o, d, size in ((ox, dx, width), (oy, dy, height), (oz, dz, depth)):
                if abs(d) < 1e-9:
                    if o < -0.5 or o > size + 0.5:
                        end = start
                    continue
                one, other = (-0.5 - o) / d, (size + 0.5 - o) / d
                start, end = max(start, min(one, other)), min(end, max(one, other))
            red, green, blue, light, mean, median = 0.0, 0.0, 0.0, 1.0, 0.0, far
            step = math.floor(max(start, 0.0))
            while step + 0.5 < end and light > FAINTEST:
                at = step + 0.5
                step += 1
                if at < start:
                    continue
                # Coordinates among the centres of the padded cells.
                px, py, pz = ox + at * dx + 0.5, oy + at * dy + 0.5, oz + at * dz + 0.5
                i, j, k = int(px), int(py), int(pz)
                if px < 0 or py < 0 or pz < 0 or i > width or j > height or k > depth:
                    continue
                bi, bj, bk = i // BRICK, j // BRICK, k // BRICK
                gap = gaps[bi, bj, bk]
                if gap > 0:
                    leave = 1e9
                    for p, d, b in ((px, dx, bi), (py, dy, bj), (pz, dz, bk)):
                        if d > 1e-9:
                            leave = min(leave, ((b + gap) * BRICK - p) / d)
                        elif d < -1e-9:
                            leave = min(leave, ((b + 1 - gap) * BRICK - p) / d)
                    step += max(math.ceil(leave) - 1, 0)
                    continue
                if taps[i, j, k] == 0:
                    continue
                fx, fy, fz = np.float32(px - i), np.float32(py - j), np.float32(pz - k)
                r = g = b_ = s = np.float32(0)
                for u in range(2):
                    wu = fx if u == 1 else 1 - fx
                    for v in range(2):
                        wv = wu * (fy if v == 1 else 1 - fy)
                        for w in range(2):
                            weight = wv * (fz if w == 1 else 1 - fz)
                            r += weight * values[i + u, j + v, k + w, 0]
                            g += weight * values[i + u, j + v, k + w, 1]
                            b_ += weight * values[i + u, j + v, k + w, 2]
                            s += weight * values[i + u, j + v, k + w, 3]
                if s <= 0:
                    continue
                after = light * math.exp(-s * cell)
                stopped = light - after
                share = stopped / s
                red, green, blue = red + share * r, green + share * g, blue + share * b_
                mean += stopped * at
                if light > 0.5 >= after:
                    median = min((at - 0.5 + (light - 0.5) / stopped) / per_t, far)
                light = after
            opacity = 1 - light
            result[row, column, 0] = min(red + light * background[0], 1.0)
            result[row, column, 1] = min(green + light * background[1], 1.0)
            result[row, column, 2] = min(blue + light * background[2], 1.0)
            result[row, column, 3] = opacity
            result[row, column, 4] = mean / opacity / per_t if opacity > 1e-6 else far
            result[row, column, 5] = median
