"""The world that `pixelnerf render` finds in the configuration of weights."""

import copy

import pytest
from training_runs import compose_values

from pixelnerf.app.training_world import TrainingWorld
from pixelnerf.errors import UserError


def test_weights_of_a_mixture_have_the_world_of_its_parts():
    """As `experiment=shapes13_all` trains them; parts that differ leave no one world."""
    mixture = compose_values("run_dir=unused", "experiment=shapes13_all")
    plain = {"dataset": mixture["dataset"]["parts"]["photos"]}
    assert TrainingWorld.of(mixture, "mine") == TrainingWorld.of(plain, "mine")
    assert TrainingWorld.of(plain, "mine").half_depth == 1.4
    other = copy.deepcopy(mixture)
    other["dataset"]["parts"]["ring"]["half_side"] = None
    with pytest.raises(UserError, match="weights 'mine' were trained on a mixture whose near, far, half_depth or"):
        TrainingWorld.of(other, "mine")


def test_weights_of_scenes_are_refused():
    values = compose_values("run_dir=unused", "experiment=shapes13_all", "dataset=llff")
    with pytest.raises(UserError, match="trained on dataset=llff, and photos are rendered by weights of single"):
        TrainingWorld.of(values, "mine")
