import json

import pytest
from ball_scene import write_nmr
from config_values import yaml_values
from dataset_layouts import write_blender
from datasets_and_runs import parse_whole
from evaluation_builders import open_dataset, protocol, protocol_values
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from datasets.readers.blender import BlenderConfig, BlenderDataset
from pixelnerf.config import parse_config
from pixelnerf.errors import UserError
from pixelnerf.evaluation.config import EvaluationConfig
from pixelnerf.evaluation.protocol import ProtocolConfig, resolve
from pixelnerf.scenes.scene import DamagedScenes

GROUP = {"splits": ["test"], "categories": ["chair"], "objects_per_category": None}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(write_nmr(tmp_path_factory.mktemp("nmr"), objects_per_split=3, views=6, size=8))


def targets_of(dataset, **targets):
    values = {"exclude": [], "every": 1, "limit": None, "shared": False, **targets}
    return resolve(protocol(targets=values), dataset, DamagedScenes("raise")).items[0].targets


def test_a_resolved_protocol_lists_everything(dataset):
    resolved = resolve(protocol(), dataset, DamagedScenes("raise"))
    assert [(item.group, item.scene.category) for item in resolved.items] == [("seen", "airplane")] * 3 + [
        ("unseen", "chair")
    ] * 3
    # The view list says 2; the second photo is two views on.
    assert resolved.items[0].inputs == {1: (2,), 2: (2, 4)}
    plain = json.loads(json.dumps(resolved.to_plain()))
    assert plain["items"][0]["inputs"] == {"1": [2], "2": [2, 4]}
    assert plain["items"][0]["background"] == [1, 1, 1]


def test_targets_are_the_other_views(dataset):
    assert targets_of(dataset) == {1: (0, 1, 3, 4, 5), 2: (0, 1, 3, 5)}
    assert targets_of(dataset, shared=True) == {1: (0, 1, 3, 5), 2: (0, 1, 3, 5)}
    assert targets_of(dataset, exclude=[0, 5], shared=True) == {1: (1, 3), 2: (1, 3)}
    assert targets_of(dataset, every=2) == {1: (0, 4), 2: (0,)}
    limited = targets_of(dataset, limit=2)
    assert all(len(views) == 2 and set(views) < set(targets_of(dataset)[count]) for count, views in limited.items())
    with pytest.raises(UserError, match="no target is left"):
        targets_of(dataset, exclude=list(range(6)))


def test_offsets_go_round_the_circle(dataset):
    resolved = resolve(protocol(inputs={"name": "view_list", "offsets": {2: [0, 5]}}), dataset, DamagedScenes("raise"))
    assert resolved.items[0].inputs == {2: (2, 1)}


def test_the_limit_is_by_category_and_a_scene_counts_once(dataset):
    def scenes(**group):
        both = {"all": {**GROUP, "categories": ["airplane", "chair"], **group}}
        return [item.scene.name for item in resolve(protocol(groups=both), dataset, DamagedScenes("raise")).items]

    assert len(scenes()) == len(set(scenes())) == 6
    assert scenes(splits=["test", "test"]) == scenes()
    assert len(scenes(splits=["train", "test"])) == 12
    limited = scenes(objects_per_category=1)
    assert len(limited) == 2
    assert len({name.split("/")[0] for name in limited}) == 2


def test_the_digest_is_of_what_is_evaluated(dataset):
    digest = resolve(protocol(), dataset, DamagedScenes("raise")).digest()
    assert resolve(protocol(), dataset, DamagedScenes("raise")).digest() == digest
    assert resolve(
        protocol(targets={"exclude": [0], "every": 1, "limit": None, "shared": True}), dataset, DamagedScenes("raise")
    ).digest() != (digest)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": {"all": {**GROUP, "categories": ["char"]}}}, "unknown category 'char'; did you mean 'chair'"),
        ({"inputs": {"name": "fixed", "views": {1: [64]}}}, "has 6 views, but protocol 'tiny' needs view 64"),
        ({"downscales": [1, 3]}, r"protocol.downscales=3 does not divide"),
        ({"downscales": [2]}, "at least 7x7"),
        ({"input_downscale": 3}, "input_downscale=3 does not divide"),
    ],
)
def test_a_protocol_that_does_not_fit_is_one_line(dataset, changes, message):
    with pytest.raises(UserError, match=message) as caught:
        resolve(protocol(**changes), dataset, DamagedScenes("raise"))
    assert "\n" not in str(caught.value)


def test_targets_of_several_sizes_are_items_of_their_own(tmp_path):
    """As in mip-NeRF's multiscale scenes."""
    write_blender(tmp_path, views=3, size=32)
    values = yaml_values("dataset/blender", root=tmp_path, downscales=[1, 2])
    dataset = BlenderDataset(parse_config(BlenderConfig, values, "dataset"))
    groups = {"all": {**GROUP, "categories": None}}
    items = resolve(protocol(groups=groups, inputs={"name": "none"}), dataset, DamagedScenes("raise")).items
    assert [(item.size, item.inputs, item.targets) for item in items] == [
        ("32x32", {0: ()}, {0: (0, 1, 2)}),
        ("16x16", {0: ()}, {0: (3, 4, 5)}),
    ]
    assert all(item.scene.images(item.targets[0]).shape[0] == 3 for item in items)


def test_a_missing_view_list_is_named(tmp_path):
    root = write_nmr(tmp_path, objects_per_split=1, views=3, size=8)
    (root / "src_views.txt").write_text("02691156 other 1\n")
    with pytest.raises(UserError, match=r"02691156/test0.*no published input view.*dataset.input_view_list"):
        resolve(protocol(), open_dataset(root), DamagedScenes("raise"))


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": {"name": "fixed", "views": {2: [1]}}},
        {"inputs": {"name": "fixed", "views": {2: [1, 1]}}},
        {"inputs": {"name": "fixed", "views": {0: []}}},
        {"groups": {}},
        {"downscales": [0]},
        {"downscales": []},
        {"input_downscale": 0},
        {"targets": {"exclude": [], "every": 1, "limit": None, "shared": True, "evry": 2}},
    ],
)
def test_a_bad_protocol_is_refused(changes):
    with pytest.raises(UserError, match="protocol"):
        parse_config(ProtocolConfig, protocol_values(**changes), "protocol")


def composed(repository, name):
    with initialize_config_dir(str(repository / "conf"), version_base=None):
        config = compose("eval_fewshot", [f"protocol={name}", "checkpoint=some.ckpt"])
    return parse_whole(EvaluationConfig, OmegaConf.to_container(config, resolve=True))


def protocol_names(repository):
    return sorted(path.stem for path in (repository / "conf/protocol").glob("*.yaml") if path.stem != "base")


def test_every_protocol_composes(repository):
    assert {"shapes13_unseen", "shapenet_13", "shapenet_unseen", "nmr_sample"} <= set(protocol_names(repository))
    for name in protocol_names(repository):
        config = composed(repository, name)
        assert config.protocol.name == name
        known = set(getattr(config.dataset, "categories", {}))
        for group in config.protocol.groups.values():
            assert set(group.categories or ()) <= known
