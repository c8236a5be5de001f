"""How programs end: one line for a user's mistake, and an honest exit status."""

import shlex
import subprocess
import sys
import textwrap

import hydra
import pytest
from hydra.errors import HydraException

from pixelnerf.entry import composed_values, describe_composition_error
from pixelnerf.errors import UserError

PROGRAM = """
from pixelnerf.entry import run_entry
from pixelnerf.errors import UserError

def main(config):
    if config["how"] == "mistake":
        raise UserError("no data folder 'x'; set dataset.root=PATH")
    if config["how"] == "interrupt":
        raise KeyboardInterrupt
    if config["how"] == "bug":
        raise ValueError("a bug")
    print("width", config["model"]["width"])

if __name__ == "__main__":
    run_entry(main, "config")
"""


@pytest.fixture
def program(tmp_path):
    """A program with groups `model` (small, large) and a key without a value."""
    (tmp_path / "conf/model").mkdir(parents=True)
    (tmp_path / "conf/config.yaml").write_text(
        textwrap.dedent("""
        defaults: [{model: small}, _self_]
        how: well
        needed: ???
        hydra: {run: {dir: .}, output_subdir: null}
        """)
    )
    for name, width in (("small", 8), ("large", 64)):
        (tmp_path / f"conf/model/{name}.yaml").write_text(f"name: {name}\nwidth: {width}\n")
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


def run(program, *arguments):
    command = [sys.executable, program / "program.py", *arguments]
    return subprocess.run(command, cwd=program, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["needed=1", "how=mistake"], 2, "no data folder 'x'; set dataset.root=PATH"),
        (["needed=1", "how=interrupt"], 130, "interrupted"),
        ([], 2, "config key 'needed' is missing; set it with needed=VALUE"),
        (["needed=1", "model=huge"], 2, "unknown model 'huge'; known: large, small"),
    ],
)
def test_a_mistake_is_one_line(program, arguments, status, line):
    result = run(program, *arguments)
    assert result.returncode == status
    assert result.stderr == line + "\n"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [(["needed=1", ""], "argument 2"), (["needed=1", "--config-dir="], "the value of --config-dir")],
)
def test_an_unset_variable_is_not_the_current_folder(program, arguments, what):
    result = run(program, *arguments)
    assert result.returncode == 2
    assert result.stderr == f"{what} is empty, as an unset shell variable is: give a value, or leave it out\n"


def test_the_home_folder_after_an_equals_sign(program, monkeypatch):
    """Shells expand `~/` only at the beginning of a word; Hydra would make a folder named `~`."""
    home = program / "Ada's [new] home"
    monkeypatch.setenv("HOME", str(home))
    assert run(program, "needed=1", "hydra.run.dir=~/run", "hydra.output_subdir=.hydra").returncode == 0
    assert (home / "run" / ".hydra").is_dir()
    assert not (program / "~").exists()


def test_a_sweep_s_failed_point_does_not_end_it(program):
    result = run(
        program,
        "-m",
        "needed=1",
        "how=mistake,bug,well",
        "hydra.sweep.dir=sweep",
        "hydra.sweep.subdir=${hydra.job.num}",
    )
    assert result.returncode == 2
    assert result.stdout.endswith("width 8\n")
    *_, line = result.stderr.splitlines()
    assert line == (
        f"point 0 of the sweep failed: no data folder 'x'; set dataset.root=PATH; see {program / 'sweep/0/failed.txt'}"
    )
    assert (program / "sweep/0/failed.txt").read_text() == "no data folder 'x'; set dataset.root=PATH\n"
    assert "Traceback" in (program / "sweep/1/failed.txt").read_text()
    assert not (program / "sweep/2/failed.txt").exists()


def test_success_a_bug_and_help(program):
    well = run(program, "needed=1", "model=large")
    assert (well.returncode, well.stdout, well.stderr) == (0, "width 64\n", "")
    bug = run(program, "needed=1", "how=bug")
    assert bug.returncode == 1
    assert "Traceback" in bug.stderr
    help_page = run(program, "--help")
    assert help_page.returncode == 0
    assert "model: large, small" in help_page.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["model=smal"], "unknown model 'smal'; did you mean 'small'?"),
        (["modle=small"], "unknown config key 'modle'; did you mean 'model'?"),
        (["model.widht=3"], "unknown config key 'model.widht'; did you mean 'width'?"),
        (["model=large", "modell.width=3"], "unknown config key 'modell'; did you mean 'model'?"),
        (["hwo=well", "model=large"], "unknown config key 'hwo'; did you mean 'how'?"),
        (["~model.zoom"], "unknown config key 'model.zoom'; known: name, width"),
    ],
)
def test_an_unknown_key_names_the_nearest(program, arguments, line):
    folder = program / "conf"
    with (
        hydra.initialize_config_dir(version_base=None, config_dir=str(folder)),
        pytest.raises(HydraException) as caught,
    ):
        hydra.compose("config", overrides=arguments)
    assert describe_composition_error(caught.value, arguments, folder, "config") == line


@pytest.mark.parametrize(
    "name",
    [
        *("My capture (1)", "a=b", "café_中文", "~x", "cap[final]", "[bold]x", "it's", "a,b", "a#b", "{x}"),
        *('x"y', "both ' and \"", "back\\slash (1)\\", '\\"', "100%", "  spaces "),
    ],
)
def test_the_line_says_how_to_quote_odd_names(program, name):
    def composed(argument):
        with hydra.initialize_config_dir(version_base=None, config_dir=str(program / "conf")):
            return hydra.compose("config", overrides=[argument]).needed

    try:
        found = composed(f"needed={name}")
    except HydraException as error:
        line = describe_composition_error(error, [f"needed={name}"], program / "conf", "config")
        assert "\n" not in line
        (argument,) = shlex.split(line.partition("twice: ")[2])
        found = composed(argument)
    assert found.strip() == name.strip()


BROKEN = [
    b"a: [",
    b"a: \x00",
    b"\xff\xfea",
    b"a: b: c",
    b"5",
    b"!!python/object:os.system x",
    b"a: 1\na: 2",
    b"a: &x [*x]",
]


@pytest.mark.parametrize("content", [*BROKEN, b"a: &x [*x]", b"a: !!int x", b"defaults: 3", b"a: " + 3000 * b"["])
def test_a_configuration_that_is_no_yaml_is_one_line(program, content):
    (program / "conf/model/mine.yaml").write_bytes(content)
    (program / "conf/whole.yaml").write_text("defaults:\n  - model: mine\n  - _self_\n")
    with pytest.raises(UserError) as caught:
        composed_values(program / "conf", "whole")
    assert "\n" not in str(caught.value)
    assert "mine" in str(caught.value)


def test_a_program_with_a_configuration_that_is_no_yaml(program):
    path = program / "conf/model/large.yaml"
    path.write_text("name: large\nwidth: [\n")
    result = run(program, "needed=1", "model=large")
    assert result.returncode == 2
    assert result.stderr.startswith(f"cannot read configuration file '{path}': line 3: ")
    assert result.stderr.count("\n") == 1


def test_an_unreadable_override_is_named(program):
    result = run(program, "needed=[")
    assert result.returncode == 2
    assert result.stderr.startswith("cannot read 'needed=[' as KEY=VALUE: ")
    assert result.stderr.count("\n") == 1
