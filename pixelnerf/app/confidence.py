"""How far each pixel of a rendered view can be trusted, and which further photo would help most.

Confidence is meant as the probability that a pixel's colour is within 0.1 of the truth (mean absolute difference of the
channels, each in [0, 1]). It is logistic in what makes a ray doubtful, each term 0 for an empty ray:

    confidence = 1 / (1 + exp(-CERTAINTY + SPREAD s + UNSEEN u + DISAGREEMENT d + EDGE 4 a (1 - a)))

- s: standard deviation of the ray's depth by its compositing weights, in lengths of the object, times the opacity a;
- u, d: weighted means over the ray of what no photo sees, and of how much the photos' colours differ from the
  volume's (`pixelnerf.model.evidence`);
- 4 a (1 - a): how undecided the opacity is.

`scripts/measure_confidence.py` fits the constants, and measures what they are worth.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from pixelnerf.app.camera import Camera
from pixelnerf.model.baked import BakedVolume, render_baked
from pixelnerf.model.evidence import Evidence
from pixelnerf.types import Cameras, View

CLOSE = 0.1
"""A pixel is right if its colour is within this of the truth; what the constants are fitted to."""
CERTAINTY, SPREAD, UNSEEN, DISAGREEMENT, EDGE = 3.2, 9.9, 1.3, 15.3, 4.6
"""Log odds of an empty ray, and what is taken away per unit of each term."""

AZIMUTHS = (-90, 90, -45, 45, -135, 135, 180)
"""Cameras that are compared for the next photo, in degrees from the first photo's."""
CANDIDATE_SIZE = 32
_SIDES = (
    "the front",
    "the front right",
    "the right",
    "the back right",
    "the back",
    "the back left",
    "the left",
    "the front left",
)


@dataclass(frozen=True)
class Doubts:
    """What makes the rays of a view doubtful; the terms of the formula.

    Attributes:
        opacity: a, in [0, 1].
        spread: s, in lengths of the object.
        unexplained: the part of the cells: a weighted mean, in [0, 1].
    """

    opacity: Float[Tensor, "height width"]
    spread: Float[Tensor, "height width"]
    unexplained: Float[Tensor, "height width"]


@dataclass(frozen=True)
class NextPhoto:
    """Where a further photo would help most.

    Attributes:
        azimuth: in degrees from the first photo's camera, counterclockwise seen from above, in (-180, 180].
        confidence: mean of what would be seen there.
        usual: mean over all directions that were compared.
    """

    azimuth: float
    confidence: float
    usual: float

    def __str__(self) -> str:
        side = _SIDES[round(self.azimuth % 360 / 45) % 8]
        return (
            f"a photo from {side} (azimuth {self.azimuth:g} degrees from the first photo) would help most: "
            f"confidence {self.confidence:.2f} there, {self.usual:.2f} all around"
        )


def find_doubts(volume: BakedVolume, unexplained: Float[Tensor, "x y z"], view: View, length: float = 1.0) -> Doubts:
    """Marches through the volume.

    Args:
        volume: the baked object.
        unexplained: of each cell, in [0, 1].
        view: from where.
        length: of the object's longest side, in units of the volume's world.
    """
    # Colours that are numbers of the cells: the marcher, its interpolation and its means serve both.
    occupied = volume.density > 0
    depth = (volume.centers(occupied) - view.camera.poses[:3, 3]) @ view.camera.poses[:3, 2]
    nearest = depth.min() if len(depth) else depth.new_zeros(())
    reach = (depth.max() - nearest).clamp_min(1e-6 * length) if len(depth) else depth.new_ones(())
    place = (depth - nearest) / reach
    colors = torch.zeros_like(volume.colors)
    colors[occupied, 0] = torch.stack([unexplained[occupied], place, place.square()], dim=-1)
    marked = replace(volume, colors=colors)
    image = render_baked(marked, replace(view, background=torch.zeros_like(view.background)))
    means, first, second = image.color.unbind(-1)
    opacity = image.opacity
    # a^2 (E[z^2] - E[z]^2), with means over the weights, whose sum is a.
    spread = (opacity * second - first.square()).clamp_min(0).sqrt() * (reach / length)
    return Doubts(opacity, spread, means)


def confidence_of(doubts: Doubts) -> Float[Tensor, "height width"]:
    """The formula, for `unexplained` of both kinds as `unexplained_cells` has them."""
    edge = 4 * doubts.opacity * (1 - doubts.opacity)
    return torch.sigmoid(
        CERTAINTY - SPREAD * doubts.spread - (UNSEEN + DISAGREEMENT) * doubts.unexplained - EDGE * edge
    )


def unexplained_cells(evidence: Evidence) -> Float[Tensor, "x y z"]:
    """What no photo sees and where photos differ, in one number of [0, 1] a cell, weighted as in the formula."""
    return (UNSEEN * evidence.unseen + DISAGREEMENT * evidence.disagreement) / (UNSEEN + DISAGREEMENT)


def render_confidence(
    volume: BakedVolume, evidence: Evidence, view: View, length: float = 1.0
) -> Float[Tensor, "height width"]:
    """Confidence of a view's pixels, in [0, 1]; see the module. `length` is that of the object's longest side."""
    return confidence_of(find_doubts(volume, unexplained_cells(evidence), view, length))


def find_next_photo(volume: BakedVolume, evidence: Evidence, photos: Cameras, reach: tuple[float, float]) -> NextPhoto:
    """The direction, as high as the first photo's, that lies most across those of the photos.

    A photo knows an object across its line of sight and guesses along it, so one from the opposite side, which shows
    what is least certain, helps least: it sees the same outline. Among directions that are about as much across, in the
    mean over the photos of the sine between their azimuths, it is the one with the least confidence in what is seen.

    Args:
        volume: the baked object, its longest side 1, about the origin, z up.
        evidence: of the photos that it is made of.
        photos: their cameras (batch = photo).
        reach: near and far of the candidates' rays.
    """
    x, y, z = photos.poses[:, :3, 3].cpu().unbind(-1)
    turns = torch.atan2(y, x)
    elevation = math.degrees(math.atan2(float(z[0]), math.hypot(float(x[0]), float(y[0]))))
    unexplained = unexplained_cells(evidence)
    across, means = [], []
    for azimuth in AZIMUTHS:
        turn = float(turns[0]) + math.radians(azimuth)
        across.append(round(5 * float((turn - turns).sin().abs().mean())))
        camera = Camera.orbit(math.degrees(turn), elevation).record(CANDIDATE_SIZE)
        view = View(camera, reach[0], reach[1], torch.zeros(3)).to(volume.cell.device)
        doubts = find_doubts(volume, unexplained, view)
        means.append(float((doubts.opacity * confidence_of(doubts)).sum() / doubts.opacity.sum().clamp_min(1e-6)))
    chosen = max(range(len(means)), key=lambda place: (across[place], -means[place]))
    return NextPhoto(float(AZIMUTHS[chosen]), means[chosen], sum(means) / len(means))
