"""Draws `docs/photo.png`, what `pixelnerf render` makes of one real photo: `python docs/_ext/photo_picture.py`.

The photo is scikit-image's `coffee` (Rachel Michetti, CC0), the only photo of a thing on a cluttered ground that its
installation holds. The camera's height is a guess by eye.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import coffee

import pixelnerf

DOCS = Path(__file__).parents[1]
SIDE, ELEVATION = 160, 45
AZIMUTHS = (0, 20, 40, 90, 180)


def main() -> None:
    """Renders and writes."""
    photo = Image.fromarray(coffee())
    scene = pixelnerf.load().encode(photo, elevation=ELEVATION)
    given = scene.photos[0].image.movedim(0, -1).numpy()
    photo.thumbnail((2 * SIDE, SIDE))
    pictures = [np.asarray(photo), np.asarray(Image.fromarray((255 * given).astype(np.uint8)).resize((SIDE, SIDE)))]
    for azimuth in AZIMUTHS:
        view = scene.render(pixelnerf.Camera.orbit(azimuth=azimuth, elevation=ELEVATION), size=SIDE)
        pictures.append((255 * view.color.numpy()).round().astype(np.uint8))
    Image.fromarray(np.concatenate(pictures, axis=1)).save(DOCS / "photo.png", optimize=True)


if __name__ == "__main__":
    main()
