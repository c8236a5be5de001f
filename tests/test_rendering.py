"""The mesh renderer: anti-aliasing, both sides of faces, coplanar faces, textures, depth."""

import io
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh import Trimesh

from datasets.meshes.lights import Lamp
from datasets.meshes.materials import load_surface, painted_surface
from datasets.meshes.raycast import RayCaster, Views
from datasets.meshes.rig import NMR_DISTANCE, NMR_FOCAL, Rig, ring
from datasets.meshes.surface import Paint, build_surface
from pixelnerf.errors import UserError

RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
SQUARE = np.array([[(-1, -1, 0), (1, -1, 0), (1, 1, 0)], [(-1, -1, 0), (1, 1, 0), (-1, 1, 0)]]) * 0.4  # faces +z


def from_sides(*turns: int) -> Rig:
    """Level views of the square: turn 6 (of 24) sees its front, 18 its back."""
    rig = ring(24, elevation=0.0)
    return Rig(rig.poses[list(turns)], rig.focals[list(turns)])


def spun(triangles: np.ndarray, angle: float) -> np.ndarray:
    """Turned in the plane of the image, by radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return triangles @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])


def hue(image: np.ndarray) -> int:
    """The strongest channel of the centre pixel."""
    middle = image[len(image) // 2, len(image) // 2].astype(int)
    assert np.ptp(middle) > 100
    return int(middle.argmax())


def render_faces(triangles: np.ndarray, colors: list[tuple], rig: Rig, size: int = 33) -> Views:
    return RayCaster(build_surface(triangles, Paint.plain(np.array(colors)))).render(rig, size)


@pytest.mark.parametrize("degrees", [1, 10])
def test_a_lamp_lights_by_the_cosine_and_a_wide_one_has_soft_shadows(degrees: float) -> None:
    """A white floor, a small green board above it, and a yellow lamp at 45 degrees."""
    floor, board = (SQUARE[:, :, [0, 2, 1]] * scale for scale in (1.2, 0.4))
    paint = Paint.plain(np.array([(1, 1, 1), (1, 1, 1), (0, 1, 0), (0, 1, 0)]))
    surface = build_surface(np.concatenate([floor, board + np.array([0, 0.2, 0])]), paint)
    direction, key, above = np.array([1, 1, 0]) / np.sqrt(2), np.array([0.8, 0.8, 0.4]), np.full(3, 0.1)
    lamp = Lamp(direction, np.radians(degrees), key, above, np.zeros(3))
    views = RayCaster(surface, lamp).render(ring(1, elevation=80.0), 65)
    red, green, blue = np.moveaxis(views.images[0].astype(float) / 255, -1, 0)
    on_floor = views.masks[0] & (red > 0.09) & (green < 0.95)
    lit, dark = 0.1 + 0.8 / np.sqrt(2), 0.1
    is_lit = on_floor & (np.abs(red - lit) < 0.03)
    assert is_lit.sum() > 100
    assert np.median(blue[is_lit]) == pytest.approx(0.1 + 0.4 / np.sqrt(2), abs=0.02)
    assert (on_floor & (np.abs(red - dark) < 0.01)).sum() > 10
    penumbra = (on_floor & (red > dark + 0.1) & (red < lit - 0.1)).sum()
    assert (penumbra > 40) == (degrees > 5)


def test_points_of_a_lamp_are_within_its_width_and_centred() -> None:
    direction = np.array([0.6, 0.8, 0.0])
    zero = np.zeros(3)
    points = Lamp(direction, 0.2, zero, zero, zero).points(9)
    angles = np.arccos(points @ direction)
    assert angles.max() < 0.2
    assert angles.max() > 0.15
    for some in (points, points[:5]):
        assert np.arccos(some.mean(axis=0) @ direction / np.linalg.norm(some.mean(axis=0))) < 0.06


def test_a_pixel_is_the_mean_of_nine_rays() -> None:
    """Also where five of them stand for all."""
    caster = RayCaster(build_surface(spun(SQUARE, 0.3), Paint.plain(np.array([RED, RED]))))
    views = caster.render(from_sides(6), 31)
    # An image three times as large has a pixel for each cell of the 3x3 grid; depth is that of their centres.
    covered = (caster.depth(from_sides(6), 93)[0] > 0).reshape(31, 3, 31, 3).mean(axis=(1, 3))
    shares = (255 - views.images[0, ..., 1].astype(float)) / 255  # the square has no green, the background all of it
    assert shares == pytest.approx(covered, abs=0.003)
    assert (views.masks[0] == (covered > 0.5)).all()
    assert ((shares > 0.05) & (shares < 0.95)).sum() > 20
    assert shares.sum() == pytest.approx((0.8 * NMR_FOCAL / NMR_DISTANCE * 31 / 2) ** 2, rel=0.01)


def test_both_sides_of_a_face_are_lit_alike() -> None:
    front = render_faces(SQUARE, [RED, RED], from_sides(6, 18))
    turned = render_faces(SQUARE[:, ::-1], [RED, RED], from_sides(6, 18))
    assert (front.images == turned.images).all()


@pytest.mark.parametrize("front_first", [True, False])
def test_of_opposite_copies_the_one_wound_to_the_viewer_is_seen(front_first: bool) -> None:
    copies = [SQUARE, SQUARE[:, [1, 0, 2]]] if front_first else [SQUARE[:, [1, 0, 2]], SQUARE]
    colors = [RED, RED, BLUE, BLUE] if front_first else [BLUE, BLUE, RED, RED]
    images = render_faces(np.concatenate(copies), colors, from_sides(6, 18)).images
    assert [hue(image) for image in images] == [0, 2]
    assert len(np.unique(images[0][12:20, 12:20].reshape(-1, 3), axis=0)) == 1  # no speckle


def test_of_copies_wound_alike_the_first_is_seen() -> None:
    for order in ([RED, RED, BLUE, BLUE], [BLUE, BLUE, RED, RED]):
        images = render_faces(np.concatenate([SQUARE, SQUARE[:, [1, 2, 0]]]), order, from_sides(6, 18)).images
        assert [hue(image) for image in images] == [int(np.argmax(order[0]))] * 2


@pytest.mark.parametrize("label_first", [True, False])
@pytest.mark.parametrize("label_winding", [[0, 1, 2], [1, 0, 2]])
def test_a_label_in_the_plane_of_a_larger_face_is_seen_whole(label_first: bool, label_winding: list[int]) -> None:
    label = spun(SQUARE[:, label_winding] * 0.5, 0.4)
    triangles = np.concatenate([label, SQUARE] if label_first else [SQUARE, label])
    tilt = trimesh.transformations.euler_matrix(0.3, 0.2, 0.1)[:3, :3]  # so that the planes agree only up to rounding
    colors = [GREEN, GREEN, RED, RED] if label_first else [RED, RED, GREEN, GREEN]
    images = render_faces(triangles @ np.asarray(tilt, dtype=float).T, colors, from_sides(6, 7, 18), 65).images
    for image in images:
        assert hue(image) == 1
        assert len(np.unique(image[29:36, 29:36].reshape(-1, 3), axis=0)) == 1


def test_depth_is_along_the_optical_axis() -> None:
    caster = RayCaster(build_surface(SQUARE, Paint.plain(np.array([RED, RED]))))
    depth = caster.depth(from_sides(6), 33)[0]
    assert depth[16, 16] == pytest.approx(NMR_DISTANCE)
    assert depth[10, 20] == pytest.approx(NMR_DISTANCE, abs=1e-5)
    assert depth[0, 0] == 0


def test_an_object_out_of_sight_leaves_a_white_view() -> None:
    views = render_faces(SQUARE + np.array([0, 9, 0]), [RED, RED], from_sides(6))
    assert (views.images == 255).all()
    assert not views.masks.any()


def test_a_camera_inside_the_object_sees_it() -> None:
    mesh = trimesh.creation.box((10, 10, 10))
    assert RayCaster(painted_surface(mesh)).render(from_sides(0), 8).masks.all()


def test_vertex_colors_are_interpolated() -> None:
    mesh = Trimesh(SQUARE.reshape(-1, 3), np.arange(6).reshape(2, 3), process=False)
    mesh.visual.vertex_colors = np.array([(255 * (x > 0), 0, 255 * (x <= 0), 255) for x, _, _ in SQUARE.reshape(-1, 3)])
    image = RayCaster(painted_surface(mesh)).render(from_sides(6), 33).images[0].astype(int)
    row = image[16, 10:23]
    assert (np.diff(row[:, 0]) > 0).all()
    assert (np.diff(row[:, 2]) < 0).all()


def write_textured_obj(folder: Path, texture: str = "../images/texture.png") -> Path:
    (folder / "models").mkdir(parents=True)
    (folder / "images").mkdir()
    quarters = np.array([[RED, GREEN], [BLUE, (1, 1, 1)]]) * 255
    Image.fromarray(np.kron(quarters, np.ones((8, 8, 1))).astype(np.uint8)).save(folder / "images" / "texture.png")
    path = folder / "models" / "model_normalized.obj"
    path.write_text(
        "mtllib model_normalized.mtl\nusemtl painted\n"
        "v -.4 -.4 0\nv .4 -.4 0\nv .4 .4 0\nv -.4 .4 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
        "f 1/1 2/2 3/3\nf 1/1 3/3 4/4\n"
    )
    (folder / "models" / "model_normalized.mtl").write_text(f"newmtl painted\nKd 1 1 1\nmap_Kd {texture}\n")
    return path


def test_textures_beside_the_folder_are_upright(tmp_path: Path) -> None:
    surface = load_surface(write_textured_obj(tmp_path / "object"))
    image = RayCaster(surface).render(from_sides(6), 33).images[0].astype(int)
    assert image[12, 12].argmax() == 0  # red at the top left
    assert image[12, 20].argmax() == 1
    assert image[20, 12].argmax() == 2
    assert np.ptp(image[20, 20]) < 3


@pytest.mark.parametrize("texture", ["../images/absent.png", "../../secret.png", "/etc/hostname"])
def test_absent_or_distant_textures_are_one_line(tmp_path: Path, texture: str) -> None:
    (tmp_path / "secret.png").write_bytes(b"")
    with pytest.raises(UserError, match="named by the mesh"):
        load_surface(write_textured_obj(tmp_path / "object", texture))


def test_materials_survive_glb_and_colors_ply(tmp_path: Path) -> None:
    square = Trimesh(SQUARE.reshape(-1, 3), np.arange(6).reshape(2, 3), process=False)
    red = square.copy()
    red.visual = trimesh.visual.TextureVisuals(
        material=trimesh.visual.material.PBRMaterial(baseColorFactor=(255, 0, 0, 255))
    )
    scene = trimesh.Scene()
    half_turn = trimesh.transformations.rotation_matrix(np.pi, (0, 1, 0), (0, 0, 0.1))
    scene.add_geometry(red, transform=half_turn)  # now in the plane z = 0.2
    scene.export(tmp_path / "red.glb")
    surface = load_surface(tmp_path / "red.glb")
    assert surface.triangles[..., 2] == pytest.approx(np.full((2, 3), 0.2), abs=1e-6)
    assert hue(RayCaster(surface).render(from_sides(6), 33).images[0]) == 0

    square.visual.vertex_colors = np.tile((0, 255, 0, 255), (6, 1))
    square.export(tmp_path / "green.ply")
    assert hue(RayCaster(load_surface(tmp_path / "green.ply")).render(from_sides(6), 33).images[0]) == 1


@pytest.mark.parametrize("kind", ["material", "vertices"])
def test_colours_of_gltf_are_linear_and_of_ply_are_not(tmp_path: Path, kind: str) -> None:
    box = trimesh.creation.box()
    if kind == "material":
        material = trimesh.visual.material.PBRMaterial(baseColorFactor=(55, 55, 55, 255))
        box.visual = trimesh.visual.TextureVisuals(material=material)
    else:
        box.visual.vertex_colors = np.tile((55, 55, 55, 255), (len(box.vertices), 1))
        box.export(tmp_path / "box.ply")
        assert load_surface(tmp_path / "box.ply").paint.colors == pytest.approx(55 / 255)
    box.export(tmp_path / "box.glb")
    # sRGB's curve (IEC 61966-2-1).
    assert load_surface(tmp_path / "box.glb").paint.colors == pytest.approx(1.055 * (55 / 255) ** (1 / 2.4) - 0.055)


def test_z_up_meshes_are_turned_upright(tmp_path: Path) -> None:
    tower = trimesh.creation.box((0.1, 0.2, 1.0))
    tower.export(tmp_path / "tower.ply")
    size = np.ptp(load_surface(tmp_path / "tower.ply", z_up=True).triangles.reshape(-1, 3), axis=0)
    assert size == pytest.approx((0.1, 1.0, 0.2))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("garbage.ply", b"\x00\x01garbage"),
        ("garbage.glb", b"glTF"),
        ("empty.obj", b""),
        ("points.obj", b"v 0 0 0\nv 1 0 0\n"),
        ("flat.obj", b"v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 3\n"),
        ("infinite.obj", b"v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n"),
        ("range.obj", b"v 0 0 0\nf 1 2 9\n"),
    ],
)
def test_broken_meshes_are_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name) as raised:
        load_surface(tmp_path / name)
    assert len(str(raised.value).splitlines()) == 1


def test_a_truncated_texture_is_one_line(tmp_path: Path) -> None:
    path = write_textured_obj(tmp_path / "object")
    texture = tmp_path / "object" / "images" / "texture.png"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(noise).save(encoded, "png")
    texture.write_bytes(encoded.getvalue()[:2000])
    with pytest.raises(UserError, match="cannot read the mesh"):
        load_surface(path)


def test_fine_textures_are_averaged_alike_in_all_views(tmp_path: Path) -> None:
    """A texture of black and white texels is grey from afar, not noise."""
    path = write_textured_obj(tmp_path / "object")
    noise = np.random.default_rng(0).integers(0, 2, (1024, 1024, 1)) * np.full(3, 255)
    Image.fromarray(noise.astype(np.uint8)).save(tmp_path / "object" / "images" / "texture.png")
    image = RayCaster(load_surface(path)).render(from_sides(6), 33).images[0]
    assert image[10:23, 10:23].std() < 8
