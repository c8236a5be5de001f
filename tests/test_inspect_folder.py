"""`pixelnerf inspect FOLDER`: the format is found."""

import shutil

import pytest
from dataset_layouts import write_blender, write_colmap, write_llff, write_srn, write_transforms

WRITERS = {"transforms": write_transforms, "blender": write_blender, "colmap": write_colmap, "llff": write_llff}
# What a file without points of the scene does not tell.
OPTIONS = {"transforms": ("dataset.near=1", "dataset.far=5", "dataset.scale_world=false")}


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_is_its_format_and_root(tmp_path, run_script, name):
    # A path that Hydra's grammar cannot read without quotes, nor Rich as it is.
    root = tmp_path / 'my "best" [bold]café = {1}, \\'
    root.mkdir()
    WRITERS[name](root)
    options = OPTIONS.get(name, ())
    status, out, err = run_script("inspect_dataset.py", root, f"output={tmp_path / 'figures'}", *options)
    assert (status, err) == (0, "")
    assert f"dataset {name}" in out


def test_what_is_given_by_its_key_counts_more(tmp_path, run_script):
    write_blender(tmp_path)
    shutil.rmtree(tmp_path / "val")
    output = f"output={tmp_path / 'figures'}"
    assert run_script("inspect_dataset.py", tmp_path, output)[0] == 0
    status, _, err = run_script("inspect_dataset.py", "split=val", tmp_path, output)
    assert status == 2
    assert f"{tmp_path}/val" in err


def test_options_keep_their_values(tmp_path, run_script, monkeypatch):
    (tmp_path / "job").mkdir()
    monkeypatch.chdir(tmp_path)
    status, out, _ = run_script("inspect_dataset.py", "--cfg", "job")
    assert status == 0
    assert "scenes: 3" in out


def test_a_folder_without_cameras_or_that_is_not_there_is_one_line(tmp_path, run_script):
    status, out, err = run_script("inspect_dataset.py", tmp_path / "nowhere")
    assert (status, out) == (2, "")
    assert err == f"no folder '{tmp_path / 'nowhere'}'; give photos with cameras, or dataset=NAME dataset.root=PATH\n"
    write_srn(tmp_path / "objects")
    status, out, err = run_script("inspect_dataset.py", tmp_path / "objects")
    assert (status, out) == (2, "")
    assert err.startswith(f"no cameras in {tmp_path / 'objects'} (looked for transforms.json, ")
    assert err.endswith(f"as in dataset=nmr dataset.root={tmp_path / 'objects'}\n")
    assert err.count("\n") == 1
