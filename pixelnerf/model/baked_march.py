"""Marching rays through a baked volume on the CPU, compiled by numba.

The same samples as `pixelnerf.model.baked.march`, which is its definition, at some tenth of the time: a ray leaps over
what is empty, as far as the nearest full cell allows in any direction, and ends when its light does. Indices are
unsigned and numbers single, or numba would check every index for the end of the array and compute in double precision.
"""

import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any, no_type_check

import numba
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy.ndimage import distance_transform_cdt
from torch import Tensor

STEP = 0.5
"""Cells from one sample of a ray to the next."""
FARTHEST = 255
"""Cells that are leapt over at once, at most."""
FAINTEST = 2e-3
"""A ray ends when this share of its light is left, and what is left shows the background."""
ROWS_TOGETHER = 16


def find_gaps(density: Float[Tensor, "width height depth"]) -> UInt8[ndarray, "_ _ _"]:
    """How many cells away the nearest interpolated density is, along the axis where it is farthest.

    Element (i, j, k) is of points among the centres of the cells (i - 1, j - 1, k - 1) and (i, j, k); it is zero where
    any of these eight is full. At most `FARTHEST`.
    """
    full = F.pad((density > 0).float(), (1,) * 6)[None, None]
    between = F.max_pool3d(full, 2, stride=1)[0, 0] > 0
    if not between.any():
        return np.full(between.shape, FARTHEST, np.uint8)
    steps = np.asarray(distance_transform_cdt(~between.numpy(), metric="chessboard"))
    return steps.clip(max=FARTHEST).astype(np.uint8)


def march_on_cpu(
    gaps: UInt8[ndarray, "_ _ _"],
    values: Float[Tensor, "_ _ _ 4"],
    origin: Float[Tensor, "3"],
    matrix: Float[Tensor, "3 3"],
    cell: float,
    ranges: tuple[float, float, bool],
    background: Float[Tensor, "3"],
    size: tuple[int, int],
) -> Float[Tensor, "rows columns 6"]:
    """Colour, opacity, mean and median distance of all rays; arguments as for `march`, after those of `find_gaps`."""
    columns, rows = size
    result = np.empty((rows, columns, 6), np.float32)
    camera = np.concatenate([matrix.T.flatten().numpy(), origin.numpy()]).astype(np.float64)

    def some(first: int) -> None:
        last = min(first + ROWS_TOGETHER, rows)
        _march_rows(values.numpy(), gaps, camera, cell, *ranges, background.numpy(), result, first, last)

    starts = range(0, rows, ROWS_TOGETHER)
    if (threads := torch.get_num_threads()) == 1 or len(starts) == 1:
        for first in starts:
            some(first)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(some, starts))
    return torch.from_numpy(result)


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
    single, index = np.float32, np.uintp
    one, side = single(1), single(STEP * cell)
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
                enter, leave = (-0.5 - o) / d, (size + 0.5 - o) / d
                start, end = max(start, min(enter, leave)), min(end, max(enter, leave))
            begin = STEP * (math.ceil(max(start, 0.0) / STEP - 0.5) + 0.5)
            samples = math.ceil((end - begin) / STEP)
            # The first sample's coordinates among the centres of the padded cells, and the way to the next.
            sx, sy, sz = single(ox + begin * dx + 0.5), single(oy + begin * dy + 0.5), single(oz + begin * dz + 0.5)
            tx, ty, tz = single(STEP * dx), single(STEP * dy), single(STEP * dz)
            samples_per_cell = single(1 / max(abs(tx), abs(ty), abs(tz)))
            red, green, blue, light, mean = single(0), single(0), single(0), one, single(0)
            median = far
            sample = 0
            while sample < samples and light > FAINTEST:
                at = single(sample)
                sample += 1
                px, py, pz = sx + at * tx, sy + at * ty, sz + at * tz
                if px < 0 or py < 0 or pz < 0:
                    continue
                i, j, k = int(px), int(py), int(pz)
                if i > width or j > height or k > depth:
                    continue
                fx, fy, fz = px - single(i), py - single(j), pz - single(k)
                i, j, k = index(i), index(j), index(k)
                gap = gaps[i, j, k]
                if gap > 0:
                    sample += int(single(gap - 1) * samples_per_cell)
                    continue
                root = _interpolated(values, i, j, k, fx, fy, fz, index(3))
                if root <= 0:
                    continue
                r = _interpolated(values, i, j, k, fx, fy, fz, index(0))
                g = _interpolated(values, i, j, k, fx, fy, fz, index(1))
                b = _interpolated(values, i, j, k, fx, fy, fz, index(2))
                stopped = light * (one - math.exp(-root * root * side))
                share = stopped / root
                red, green, blue = red + share * r, green + share * g, blue + share * b
                mean += stopped * at
                if light > 0.5 >= light - stopped:
                    median = min((begin + STEP * (at - 0.5 + (light - 0.5) / stopped)) / per_t, far)
                light -= stopped
            opacity = one - light
            result[row, column, 0] = min(red + light * background[0], 1.0)
            result[row, column, 1] = min(green + light * background[1], 1.0)
            result[row, column, 2] = min(blue + light * background[2], 1.0)
            result[row, column, 3] = opacity
            result[row, column, 4] = (begin + STEP * mean / opacity) / per_t if opacity > 1e-6 else far
            result[row, column, 5] = median


@numba.njit(nogil=True, fastmath=True, inline="always")
@no_type_check
def _interpolated(  # noqa: ANN202 - likewise
    values: ndarray, i: int, j: int, k: int, x: float, y: float, z: float, channel: int
):
    """A channel at shares x, y, z of the way from cell (i, j, k) to cell (i + 1, j + 1, k + 1)."""
    one, next_ = np.float32(1), np.uintp(1)
    rest_y, rest_z = one - y, one - z
    low, high = j + next_, k + next_
    near = rest_y * (rest_z * values[i, j, k, channel] + z * values[i, j, high, channel])
    near += y * (rest_z * values[i, low, k, channel] + z * values[i, low, high, channel])
    i += next_
    far = rest_y * (rest_z * values[i, j, k, channel] + z * values[i, j, high, channel])
    far += y * (rest_z * values[i, low, k, channel] + z * values[i, low, high, channel])
    return (one - x) * near + x * far
