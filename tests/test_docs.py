"""The README and the documentation: short enough, and what they show works."""

import re
import shlex
import shutil
from pathlib import Path

import hydra
import pytest
import trimesh
from config_values import nmr_config, shapes13_config
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from PIL import Image

from datasets.readers.nmr import NmrDataset
from datasets.shapes13 import generate
from pixelnerf.images.metrics import psnr
from pixelnerf.images.pictures import to_8_bits

CONFIGS = {"train.py": "config", "eval_fewshot.py": "eval_fewshot", "scripts/inspect_dataset.py": "inspect_dataset"}
MOST_WORDS = 900


def pages(repository: Path) -> list[Path]:
    written = [path for path in (repository / "docs").rglob("*.md") if not path.parts[-3].startswith("_")]
    return [repository / "README.md", *(path for path in written if "_build" not in path.parts)]


def code_blocks(text: str) -> list[str]:
    fenced = re.findall(r"^```(?:bash|python)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"(?:^    .*\n)+", text, flags=re.MULTILINE)
    return [*fenced, *(re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in indented)]


def test_readme_is_short(repository):
    assert len((repository / "README.md").read_text("utf-8").split()) <= MOST_WORDS


def test_links_to_files_and_sections_exist(repository):
    faults = []
    for page in [*pages(repository), repository / "CONTRIBUTING.md"]:
        text = page.read_text("utf-8")
        for link in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text):
            target = (link[0] or link[1]).partition("#")[0]
            if target and ":" not in target and "_generated" not in target and not (page.parent / target).exists():
                faults.append(f"{page.name}: {target}")
    assert not faults, faults


def commands(repository: Path) -> list[tuple[str, str, list[str]]]:
    """Page, program and arguments of every command of today; results keep the commands of their commits."""
    found = []
    for page in pages(repository):
        if "results" in page.parts:
            continue
        for block in code_blocks(page.read_text("utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True) if line.startswith("python ") else []
                if len(words) > 1 and words[1] in CONFIGS:
                    found.append((page.name, words[1], words[2:]))
    return found


def test_every_command_composes(repository):
    shown = commands(repository)
    assert len(shown) > 15
    for page, program, arguments in shown:
        overrides = [argument for argument in arguments if not argument.startswith("-")]
        sweep = "-m" in arguments
        GlobalHydra.instance().clear()
        with hydra.initialize_config_dir(version_base=None, config_dir=str(repository / "conf")):
            if sweep:
                overrides = [re.sub(r"=([^\[{]*?),.*", r"=\1", override) for override in overrides]
            try:
                hydra.compose(CONFIGS[program], overrides=overrides)
            except Exception as error:
                pytest.fail(f"{page}: {program} {' '.join(arguments)}: {error}")


def test_every_dataset_and_protocol_is_described(repository):
    for group, page in {"dataset": "data/index.md", "protocol": "protocols.md"}.items():
        text = (repository / "docs" / page).read_text("utf-8")
        names = {path.stem for path in (repository / "conf" / group).glob("*.yaml")} - {"base"}
        missing = sorted(name for name in names if f"`{name}`" not in text)
        assert not missing, f"{page} says nothing of {missing}"


def test_every_key_of_the_configuration_has_a_meaning(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "docs/_ext"))
    import config_reference

    for name, text in config_reference.pages().items():
        rows = re.findall(r"^\| (`\w+`) \| [^|]* \| ([^|]*) \|", text, flags=re.MULTILINE)
        assert rows, name
        assert not [key for key, meaning in rows if not meaning.strip()], name


def test_the_example_of_a_protocol_is_valid(repository, tmp_path):
    from pixelnerf.config import parse_config
    from pixelnerf.evaluation.protocol import ProtocolConfig

    conf = shutil.copytree(repository / "conf", tmp_path / "conf")
    text = (repository / "docs/extending.md").read_text("utf-8")
    (name, block), *others = re.findall(r"^```yaml\n# conf/protocol/(\w+).yaml\n(.*?)^```", text, flags=re.M | re.S)
    assert not others
    (conf / f"protocol/{name}.yaml").write_text(block)
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base=None, config_dir=str(conf)):
        composed = OmegaConf.to_container(hydra.compose("eval_fewshot", [f"protocol={name}"]), resolve=False)
    assert parse_config(ProtocolConfig, composed["protocol"], "protocol").name == name


@pytest.fixture(scope="module")
def photo_and_truth(tmp_path_factory):
    """A photo of a built-in sofa and the view half around it: any object does that the weights know the kind of."""
    root = tmp_path_factory.mktemp("shapes13")
    generate(shapes13_config(root, categories=["sofa"], objects=3, seen_train_objects=1, size=128, workers=1))
    scene = NmrDataset(nmr_config(root, categories=["sofa"])).scenes("test")[0]
    return scene.images([0])[0].movedim(0, -1), {view: scene.images([view])[0].movedim(0, -1) for view in (21, 12)}


def test_the_readme_renders_from_a_photo(repository, tmp_path, monkeypatch, photo_and_truth):
    """Its code, as it stands; views at 45 and 180 degrees are nearer to the truth than the photo or nothing."""
    import torch

    photo, truths = photo_and_truth
    Image.fromarray(to_8_bits(photo.numpy())).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", (repository / "README.md").read_text("utf-8"), re.M | re.S)
    names = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), names)
    assert Image.open(tmp_path / "view.png").size == (256, 256)
    assert (tmp_path / "object.html").stat().st_size > 50_000
    assert len(trimesh.load(tmp_path / "object.glb", force="mesh").faces) > 1000
    for degrees, view in ((45, 21), (180, 12)):
        render = names["scene"].render(names["pixelnerf"].Camera.orbit(azimuth=degrees), size=128).color
        truth = truths[view]
        assert psnr(render, truth) > max(psnr(photo, truth), psnr(torch.ones_like(truth), truth))
