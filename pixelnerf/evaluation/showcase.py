"""The pictures of a report: one target of every scene as PNG, and the choice of scenes that are shown."""

from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from pixelnerf.evaluation.evaluator import Evaluation, ShownView
from pixelnerf.evaluation.resolved import Item
from pixelnerf.evaluation.results import ObjectResult, Strip, method_title
from pixelnerf.images.pictures import depth_picture, error_picture, to_8_bits
from pixelnerf.tools.files import file_name, write_atomically

FOLDER = "renders"


def save_pictures(output: Path, item: Item, evaluation: Evaluation) -> ObjectResult:
    """Writes the pictures of an item to `<output>/renders/<group>/<category>/<scene>/<size>/`."""
    category = file_name(item.scene.category) if item.scene.category else "scenes"
    folder = Path(FOLDER, item.group, category, file_name(item.scene.name), item.size)
    (output / folder).mkdir(parents=True, exist_ok=True)
    strips = tuple(_save_strip(output, folder, item, shown) for shown in evaluation.shown)
    return ObjectResult(item.group, item.scene.category, item.scene.name, item.size, evaluation.measurements, strips)


def ranked(results: Sequence[ObjectResult]) -> dict[tuple[str, str], dict[str, ObjectResult]]:
    """Best, median and worst scene by PSNR from the fewest photos, for each group and category.

    Of two the best and the worst, of one the best. Of several sizes of a scene the first, the largest, is chosen.
    """
    categories: dict[tuple[str, str], dict[str, ObjectResult]] = {}
    for result in results:
        categories.setdefault((result.group, result.category), {}).setdefault(result.object, result)
    chosen = {}
    for key, objects in categories.items():
        order = sorted(objects.values(), key=lambda result: -result.psnr(result.fewest_views))
        ranks = {"best": order[0]}
        if len(order) > 2:
            ranks["median"] = order[len(order) // 2]
        if len(order) > 1:
            ranks["worst"] = order[-1]
        chosen[key] = ranks
    return chosen


def _save_strip(output: Path, folder: Path, item: Item, shown: ShownView) -> Strip:
    """Writes the pictures of one target; truth and inputs are shared by the numbers of photos."""
    color, truth = shown.output.color.numpy(), shown.truth.numpy()
    depth = depth_picture(
        shown.output.distance.numpy(), shown.output.opacity.numpy(), (item.scene.near, item.scene.far)
    )
    stem = f"{shown.views}view_target{shown.target:03d}"
    pictures = {
        "prediction": (f"{stem}_prediction", color),
        **{method_title(method): (f"{stem}_{method}", image.numpy()) for method, image in shown.enhanced.items()},
        "truth": (f"target{shown.target:03d}_truth", truth),
        "depth": (f"{stem}_depth", depth),
        "error": (f"{stem}_error", error_picture(color, truth)),
    }
    inputs = {f"input{view:03d}": photo for view, photo in zip(item.inputs[shown.views], shown.photos, strict=True)}

    def save(name: str, image: np.ndarray) -> str:
        path = folder / f"{name}.png"
        write_atomically(output / path, iio.imwrite("<bytes>", to_8_bits(image), extension=".png"))
        return path.as_posix()

    return Strip(
        shown.views,
        tuple(save(name, photo.numpy()) for name, photo in inputs.items()),
        {caption: save(*picture) for caption, picture in pictures.items()},
    )
