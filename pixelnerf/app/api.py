"""Photos to pictures, in Python: `load` weights, `encode` photos, then render, bake, mesh."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pixelnerf.app.camera import DISTANCE, FIELD_OF_VIEW, Camera
from pixelnerf.app.confidence import NextPhoto, find_next_photo, render_confidence
from pixelnerf.app.cutout import CutOut, Matting, cut_out
from pixelnerf.app.framing import FramedPhoto, frame_photo, frame_posed
from pixelnerf.app.installation import DEFAULT_WEIGHTS, find_weights
from pixelnerf.app.photo_files import PhotoSource, read_photo
from pixelnerf.app.pictures import Picture
from pixelnerf.app.training_world import Bearing, Placement, TrainingWorld
from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.errors import UserError
from pixelnerf.model.baked import BakedVolume, render_baked
from pixelnerf.model.evidence import Evidence, gather_evidence
from pixelnerf.model.image import render_image
from pixelnerf.model.net import PhotoNet
from pixelnerf.model.occupied import check_quality, shared_grid
from pixelnerf.tools.device import find_device, uses_bfloat16
from pixelnerf.types import Cameras, Photos, SceneFeatures, View

if TYPE_CHECKING:
    import trimesh

PHOTO_SIZE = 64
"""Width and height of what the network is given, as in training."""
STEEPEST = 80.0
"""Degrees of elevation of a page's first view."""
PictureQuality = Literal["baked", "exact"]
UP = (0.0, 0.0, 1.0)


class Model:
    """Weights that render objects they have never seen; made by `load`."""

    def __init__(self, weights: str | Path = DEFAULT_WEIGHTS, device: str = "auto") -> None:
        loaded = load_checkpoint(find_weights(weights))
        if not isinstance(loaded.net, PhotoNet):
            raise UserError(f"weights '{weights}' hold one scene and read no photos; try --weights {DEFAULT_WEIGHTS}")
        self.name = Path(weights).stem
        try:
            self.world = TrainingWorld.of(loaded.config, self.name)
            self.most_photos = max(map(int, loaded.config["trainer"]["loader"]["batch"]["source_views"]))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise UserError(f"weights '{weights}' do not say how they were trained; try {DEFAULT_WEIGHTS}") from None
        check_quality(loaded.net, "baked")
        self.device = find_device(device)
        self.net = loaded.net.to(self.device)
        self._bfloat16 = uses_bfloat16("auto", self.device.type)

    def encode(
        self,
        photos: PhotoSource | Sequence[PhotoSource],
        cameras: Camera | Sequence[Camera] | None = None,
        *,
        masks: Sequence[PhotoSource | CutOut] | None = None,
        matting: Matting = "auto",
        elevation: float = 30.0,
        field_of_view: float | None = None,
        center: Sequence[float] = (0.0, 0.0, 0.0),
        length: float = 1.0,
        up: Sequence[float] = UP,
    ) -> "Scene":
        """Reads photos of one object: cuts it out, crops, and encodes.

        Args:
            photos: paths, Pillow images, arrays or tensors (see `read_photo`). One photo needs no camera.
            cameras: one of each photo, whose `size` is the photo's.
            masks: of the object, one for each photo, or what `cut_out` found; without them the background is found and
                removed.
            matting: how, see `cut_out`.
            elevation: of the camera of a single photo without one, in degrees.
            field_of_view: likewise, along the photo's longer side, in degrees; None for EXIF's or a guess.
            center: where the object is in the cameras' world.
            length: of its longest side in that world.
            up: of that world.

        Raises:
            UserError: a photo that cannot be read or shows no object, or several photos without cameras.
        """
        sources = list(photos) if isinstance(photos, Sequence) and not isinstance(photos, str) else [photos]
        if not sources:
            raise UserError("no photos; give at least one")
        if masks is not None and len(masks) != len(sources):
            raise UserError(f"{len(masks)} masks for {len(sources)} photos; give one for each")
        read = [read_photo(source) for source in sources]
        cuts = [
            mask if isinstance(mask, CutOut) else cut_out(photo, matting, mask)
            for photo, mask in zip(read, masks or [None] * len(read), strict=True)
        ]
        middle, vertical = (torch.tensor(vector, dtype=torch.float32) for vector in (center, up))
        placement = Placement.upright(middle, float(length), vertical)
        if cameras is None:
            if len(read) > 1:
                raise UserError(f"{len(read)} photos without cameras; give cameras, or recover them: pixelnerf pose")
            framed = [frame_photo(read[0], cuts[0], PHOTO_SIZE, field_of_view, elevation)]
            placement = Placement(torch.zeros(3), 1.0, torch.eye(3))
        else:
            given = [cameras] if isinstance(cameras, Camera) else list(cameras)
            if len(given) != len(read):
                raise UserError(f"{len(given)} cameras for {len(read)} photos; give one for each")
            framed = [
                frame_posed(photo, cut, placement.to_training(camera.record(photo.size)), PHOTO_SIZE)
                for photo, cut, camera in zip(read, cuts, given, strict=True)
            ]
        return Scene(self, framed, placement)

    def features(self, photos: Sequence[FramedPhoto]) -> SceneFeatures:
        """Of photos whose cameras are in the training world."""
        cameras = Cameras.stack([photo.camera for photo in photos])
        depths = -(cameras.poses[:, :3, 2] * cameras.poses[:, :3, 3]).sum(-1)
        near, far = torch.tensor([self.world.photo_range(float(depth)) for depth in depths]).unbind(-1)
        half = self.world.cube
        batch = Photos(
            images=torch.stack([photo.image for photo in photos])[None],
            cameras=Cameras(*(part[None] for part in (cameras.poses, cameras.intrinsics, cameras.sizes))),
            near=near[None],
            far=far[None],
            present=torch.ones(1, len(photos), dtype=torch.bool),
            half_sides=None if half is None else torch.tensor([half]),
            up=torch.tensor([UP]),
        )
        with torch.no_grad(), self.products():
            return self.net.encode(batch.to(self.device))

    def products(self) -> Any:
        """The precision of products: bfloat16 where the device multiplies it faster."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._bfloat16)


class Scene:
    """An encoded object; made by `Model.encode`.

    Attributes:
        photos: what the model was given of each photo.
        placement: where the object is in the user's world.
        notes: what was assumed, in short sentences.
        warnings: what makes the photos unlike those of training.
    """

    def __init__(self, model: Model, photos: Sequence[FramedPhoto], placement: Placement) -> None:
        self.photos, self.placement = tuple(photos), placement
        self.notes = tuple(dict.fromkeys(note for photo in photos for note in photo.notes))
        self.warnings = tuple(dict.fromkeys(warning for photo in photos for warning in photo.warnings))
        self._model = model
        self._features = model.features(self.photos)

    def camera(self, azimuth: float = 0.0, elevation: float = 30.0, zoom: float = 1.0) -> Camera:
        """A camera around the object, as far away as in training divided by `zoom`, in the user's world.

        Args:
            azimuth: in degrees from the first photo's camera, counterclockwise seen from above.
            elevation: in degrees above the object's middle.
            zoom: above 1 for nearer.
        """
        return Camera.orbit(
            azimuth,
            elevation,
            DISTANCE * self.placement.length / zoom,
            FIELD_OF_VIEW,
            self.placement.center.tolist(),
            self.placement.up.tolist(),
            self.bearing.front.tolist(),
        )

    @cached_property
    def bearing(self) -> Bearing:
        """Of the first photo's camera."""
        return self.placement.bearing(self.photos[0].camera)

    def render(
        self,
        camera: Camera | Cameras,
        size: int | tuple[int, int] | None = None,
        quality: PictureQuality = "baked",
        background: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> Picture:
        """Renders a view.

        Args:
            camera: in the user's world: that of the given cameras, or of `Camera.orbit`.
            size: (width, height), or the side of a square; None for the camera's own.
            quality: "baked" renders the volume, in milliseconds; "exact" evaluates the network for every sample.
            background: RGB in [0, 1].
        """
        record = camera.record(size) if isinstance(camera, Camera) else camera
        view = self._view(record, background)
        find_confidence = partial(self._confidence, view)
        if quality == "baked":
            seen = replace(
                view, camera=record, near=view.near * self.placement.length, far=view.far * self.placement.length
            )
            return Picture.of(render_baked(self.volume, seen.to(self._model.device)).to("cpu"), record, find_confidence)
        with self._model.products():
            image = render_image(self._model.net, self._features, view.to(self._model.device)).to("cpu")
        image = replace(
            image,
            distance=image.distance * self.placement.length,
            median_distance=image.median_distance * self.placement.length,
        )
        return Picture.of(image, record, find_confidence)

    @cached_property
    def volume(self) -> BakedVolume:
        """The baked object in the user's world; baked at the first use."""
        return self.placement.from_training(self._baked)

    def next_photo(self) -> NextPhoto:
        """From where a further photo would help most; see `pixelnerf.app.confidence.find_next_photo`."""
        cameras = Cameras.stack([photo.camera for photo in self.photos])
        return find_next_photo(self._baked, self.evidence, cameras, self._model.world.view_range(DISTANCE))

    @cached_property
    def _baked(self) -> BakedVolume:
        """In the training world."""
        view = self._view(self.camera().record(), (1.0, 1.0, 1.0)).to(self._model.device)
        with self._model.products():
            volume = shared_grid(self._model.net, self._features, [view], "baked")
        assert isinstance(volume, BakedVolume), "quality=baked gives a volume"
        return volume

    @cached_property
    def evidence(self) -> Evidence:
        """What the photos say about each cell of `volume`."""
        cameras = Cameras.stack([photo.camera for photo in self.photos])
        images = torch.stack([photo.image for photo in self.photos])
        return gather_evidence(self._baked, cameras.to(self._model.device), images.to(self._model.device))

    def _confidence(self, view: View) -> Float[Tensor, "height width"]:
        """Of a view in the training world."""
        return render_confidence(self._baked, self.evidence, view.to(self._model.device)).to("cpu")

    def bake(self) -> "BakedObject":
        """The object as a volume that needs no network."""
        return BakedObject(self)

    def mesh(self, threshold: float | None = None) -> "trimesh.Trimesh":
        """The surface as triangles with colours, in the user's world; see `pixelnerf.app.mesh.extract_mesh`.

        `export` writes it as GLB, OBJ or PLY; as GLB it stands upright, as glTF asks for.
        """
        from pixelnerf.app.mesh import extract_mesh

        return extract_mesh(self.volume, threshold, self.placement.up)

    def points(self) -> "trimesh.PointCloud":
        """Points with colours on the surface, in the user's world."""
        from pixelnerf.app.mesh import extract_points

        return extract_points(self.volume)

    def _view(self, record: Cameras, background: Sequence[float]) -> View:
        camera = self.placement.to_training(record)
        near, far = self._model.world.view_range(float(camera.poses[:3, 3].norm()))
        return View(camera, near, far, torch.tensor(background, dtype=torch.float32))


class BakedObject:
    """A baked object; made by `Scene.bake`."""

    def __init__(self, scene: Scene) -> None:
        self.volume = scene.volume
        self._scene = scene

    def save_html(self, path: str | Path, title: str | None = None, side: int = 512) -> None:
        """Writes one page that shows the object in any browser, to turn with the mouse; no network, no server.

        Raises:
            UserError: nothing was found in the photos, or the page cannot be written.
        """
        from pixelnerf.app.page import save_page

        # From straight above the turn of a page would be a roll.
        start = self._scene.camera(elevation=min(max(self._scene.bearing.elevation, -STEEPEST), STEEPEST))
        picture = self._scene.render(start, side)
        save_page(
            Path(path),
            self.volume.to("cpu"),
            [photo.image.movedim(0, -1) for photo in self._scene.photos],
            start.record(side),
            self._scene.placement.up,
            torch.cat([picture.color, picture.opacity[..., None]], dim=-1),
            title or Path(path).stem,
        )


def load(weights: str | Path = DEFAULT_WEIGHTS, device: str = "auto") -> Model:
    """Loads weights by the name of those that come with the program, or from a file.

    Args:
        weights: "shapes13_all", "shapes13", or a `.ckpt` or `.safetensors` file.
        device: "auto" for a GPU where there is one.

    Raises:
        UserError: there are no such weights, or they cannot render objects from photos.
    """
    return Model(weights, device)
