"""Names, types and texts of files as other programs write them."""

import re
import shutil

import pytest
import torch
from ball_scene import write_nmr
from config_values import nmr_config
from dataset_checks import scenes_of
from dataset_layouts import (
    write_colmap,
    write_dtu,
    write_llff,
    write_srn,
    write_transforms,
)
from foreign_files import NAMED_PHOTOS, assert_same, change_frames, error_of, json_files, look, photos
from PIL import Image

from datasets.meshes.materials import load_surface
from datasets.meshes.mesh_folder import find_meshes
from datasets.readers.nmr import NmrDataset
from pixelnerf.errors import UserError

LISTED_PHOTOS = {"llff": write_llff, "srn": write_srn, "dtu": write_dtu}


def write_square(folder, options, uses="usemtl paint"):
    (folder / "things").mkdir(parents=True)
    Image.new("RGB", (4, 4), (80, 80, 80)).save(folder / "things/tex.png")
    (folder / "things/a.mtl").write_text(f"newmtl paint\nKd 1 1 1\nmap_Kd {options}tex.png\n")
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\n"
    path = folder / "things/a.obj"
    path.write_text(f"mtllib a.mtl\n{corners}{uses}\nf 1/1 2/2 3/3\n")
    return path


@pytest.mark.parametrize("name", ["transforms", "blender", "two_objects", "multicam"])
def test_backslashes_in_paths(tmp_path, name):
    root = NAMED_PHOTOS[name](tmp_path)
    expected = look(name, root)
    for path in json_files(root):
        content = path.read_text()
        path.write_text(
            content.replace("images/", "images\\\\").replace("train/", "train\\\\").replace("else/", "else\\\\")
        )
        assert path.read_text() != content or "test" in path.name or "val" in path.name
    assert_same(look(name, root), expected)


@pytest.mark.parametrize("suffix", [".PNG", ".jpeg", ".JPG"])
@pytest.mark.parametrize("name", NAMED_PHOTOS)
def test_photos_of_another_type_than_their_names(tmp_path, name, suffix):
    root = NAMED_PHOTOS[name](tmp_path)
    expected = look(name, root)
    for path in photos(root):
        if suffix == ".PNG":
            path.rename(path.with_suffix(suffix))
            continue
        with Image.open(path) as image:
            white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
            white.convert("RGB").save(path.with_suffix(suffix), "JPEG", quality=100, subsampling=0)
        path.unlink()
    found = look(name, root)
    assert torch.equal(found[0].cameras().intrinsics, expected[0].cameras().intrinsics)
    for one, other in zip(found[1], expected[1], strict=True):
        assert (one - other).abs().mean() < 0.05


def test_names_with_dots_and_without_a_suffix(tmp_path):
    root = write_transforms(tmp_path)
    expected = look("transforms", root)
    for path in photos(root):
        path.rename(path.with_name(f"frame.{path.name}"))
    change_frames(
        root / "transforms.json", lambda frame: frame.update(file_path=f"images/frame.{frame['file_path'][7:-4]}")
    )
    assert_same(look("transforms", root), expected)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["transforms", "blender", "two_objects", "multicam", "colmap", "srn", "dtu", "nmr"])
def test_byte_order_marks_and_ends_of_lines(tmp_path, name, encoding):
    if name == "nmr":
        write_nmr(tmp_path, objects_per_split=1, categories=("02691156",), views=3, size=8)

        def read():
            scene = NmrDataset(nmr_config(tmp_path, categories=["airplane"])).scenes("train")[0]
            return scene, [scene.images([0])]
    else:
        {**NAMED_PHOTOS, **LISTED_PHOTOS}[name](tmp_path)

        def read():
            return look(name, tmp_path)

    expected = read()
    for path in tmp_path.rglob("*"):
        if path.suffix in (".json", ".txt", ".lst"):
            path.write_bytes(path.read_text().replace("\n", "\r\n").encode(encoding))
    assert_same(read(), expected)


@pytest.mark.parametrize("name", {**NAMED_PHOTOS, **LISTED_PHOTOS})
def test_hidden_files_are_no_data(tmp_path, name):
    root = {**NAMED_PHOTOS, **LISTED_PHOTOS}[name](tmp_path)
    expected = look(name, root)
    for path in list(root.rglob("*")):
        (path.parent / ".DS_Store").write_bytes(b"Bud1")
        (path.parent / f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")
    shutil.copytree(root, tmp_path / "__MACOSX", ignore=lambda *_: [])
    (root / "readme.txt").write_text("a stray file")
    if name == "srn":
        (root / "cars_train/readme.txt").write_text("a stray file")
    assert len(scenes_of(name, root)) == 1
    assert_same(look(name, root), expected)


def test_unpadded_numbers_are_numbers(tmp_path):
    root = write_dtu(tmp_path, views=11)
    expected = look("dtu", root)
    for path in root.rglob("*.png"):
        path.rename(path.with_name(f"{int(path.stem)}.png"))
    assert_same(look("dtu", root), expected)


@pytest.mark.parametrize("name", LISTED_PHOTOS)
def test_two_copies_of_photos(tmp_path, name):
    root = LISTED_PHOTOS[name](tmp_path)
    for path in photos(root):
        Image.open(path).convert("RGB").save(path.with_suffix(".JPG"), "JPEG")
    assert "two copies" in error_of(name, root)


def test_photos_and_poses_of_other_numbers(tmp_path):
    folder = write_srn(tmp_path) / "cars_train/car_train"
    (folder / "rgb/000001.png").unlink()
    (folder / "pose/000003.txt").unlink()
    message = error_of("srn", tmp_path)
    assert "4 images but 4 pose files" in message
    assert "pose/000001.txt" in message
    root = write_dtu(tmp_path / "dtu")
    (root / "scan1/mask/000002.png").rename(root / "scan1/mask/000009.png")
    assert "image/000002.png" in error_of("dtu", root)


def test_a_gap_among_photos_that_are_left_out(tmp_path):
    root = write_dtu(tmp_path)
    expected = look("dtu", root, max_views=3)
    for scan in ("scan1", "scan2"):
        for kind in ("image", "mask"):
            (root / scan / kind / "000003.png").unlink()
    assert "without gaps" in error_of("dtu", root)
    assert_same(look("dtu", root, max_views=3), expected)


@pytest.mark.parametrize("name", ["transforms", "blender", "multicam", "colmap"])
def test_photos_in_folders_of_folders_and_of_another_type(tmp_path, name):
    root = NAMED_PHOTOS[name](tmp_path / "data")
    expected = look(name, root)
    for path in photos(root):
        folder = path.parent / "left cam/2024"
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
            white.convert("RGB").save(folder / f"{path.stem}.JPEG", "JPEG", quality=100, subsampling=0)
        path.unlink()
    for path in [*json_files(root), *root.rglob("images.txt")]:
        path.write_text(re.sub(r"r_\d+|im\d+\.jpg|\d+\.png", r"left cam/2024/\g<0>", path.read_text()))
    found = look(name, root)
    assert torch.equal(found[0].cameras().poses, expected[0].cameras().poses)
    for one, other in zip(found[1], expected[1], strict=True):
        assert (one - other).abs().mean() < 0.05


def test_names_with_spaces_in_a_text_model(tmp_path):
    root = write_colmap(tmp_path)
    expected = look("colmap", root)
    path = root / "sparse/0/images.txt"
    path.write_text(path.read_text().replace(" im", " DJI flight 2 (").replace(".jpg", ").jpg"))
    for photo in photos(root):
        photo.rename(photo.with_name(f"DJI flight 2 ({photo.stem[2:]}).png"))
    assert_same(look("colmap", root), expected)


def test_a_missing_folder_of_photos_names_those_that_are_there(tmp_path):
    assert "images_4" in error_of("llff", write_llff(tmp_path), images="images_8")


@pytest.mark.parametrize("name", ["transforms", "blender", "dtu", "srn", "llff", "colmap"])
def test_a_root_too_high_names_the_folder_below(tmp_path, name):
    root = {**NAMED_PHOTOS, **LISTED_PHOTOS}[name](tmp_path / "a/b")
    assert f"dataset.root={root}" in error_of(name, tmp_path)


def test_options_before_the_name_of_a_texture(tmp_path):
    surface = load_surface(write_square(tmp_path / "a", "-s 1 1 1 -o 0 0 -bm 0.5 "))
    assert surface.paint.textures[0].max() == pytest.approx(80 / 255)
    with pytest.raises(UserError, match=r"-s 2 1 1 tex\.png"):
        load_surface(write_square(tmp_path / "b", "-s 2 1 1 "))


def test_what_has_no_material_is_of_one_grey(tmp_path):
    path = write_square(tmp_path, "", uses="")
    assert load_surface(path).paint.colors.mean() == 0.75
    assert (load_surface(path).paint.texture_index == -1).all()
    (path.parent / "._a.obj").write_text("hidden")
    assert [mesh.name for mesh in find_meshes(tmp_path)] == ["a"]


def test_meshes_behind_links_are_found_once_around_a_loop(tmp_path):
    """A folder of links to another disk's categories, one of which holds a link back."""
    disk, root = tmp_path / "disk", tmp_path / "root"
    (disk / "mugs").mkdir(parents=True)
    (disk / "mugs/a.obj").write_text("v 0 0 0")
    root.mkdir()
    (root / "mugs").symlink_to(disk / "mugs", target_is_directory=True)
    (disk / "mugs/all").symlink_to(root, target_is_directory=True)
    assert [(mesh.category, mesh.name) for mesh in find_meshes(root)] == [("mugs", "a")]
