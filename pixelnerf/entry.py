"""Entry points: compose the configuration, run a task, and report a user's mistake in one line.

Exit status: 0 success, 2 a user's mistake, 130 stopped by Ctrl-C. Anything else is a bug and shows its traceback.
"""

import functools
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pixelnerf.config import nearest
from pixelnerf.errors import UserError

Task = Callable[[dict[str, Any]], None]
"""Takes the composed configuration, resolved to plain values."""

USER_ERROR = 2
INTERRUPTED = 130
CONFIG_FOLDER = "conf"


def run_entry(task: Task, config_name: str, config_folder: str = CONFIG_FOLDER) -> NoReturn:
    """Runs a task on the composed `<config_folder>/<config_name>.yaml`, relative to the task's file, then exits.

    With `-m` the task runs once per point of the sweep.
    """
    # Hydra re-raises instead of printing its own report, and no library unpickles a file from outside.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"

    @functools.wraps(task)
    def guarded(config: DictConfig) -> None:
        # Late, because it imports torch, which takes seconds.
        from pixelnerf.tools.process import prepare_process

        prepare_process()
        # Inside the task, because Hydra reports a job's exceptions in its own way.
        with _mistakes_in_a_line():
            if missing := sorted(OmegaConf.missing_keys(config)):
                more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
                raise UserError(f"config key '{missing[0]}' is missing; set it with {missing[0]}=VALUE{more}")
            task(_plain(config))

    try:
        with _mistakes_in_a_line():
            hydra.main(version_base=None, config_path=config_folder, config_name=config_name)(guarded)()
    except HydraException as error:
        folder = (Path(inspect.getfile(task)).resolve().parent / config_folder).resolve()
        _stop(describe_composition_error(error, sys.argv[1:], folder, config_name), USER_ERROR)
    sys.exit(0)


def run_plain(task: Callable[[], None], interrupted: str = "interrupted") -> NoReturn:
    """Runs a task that reads plain arguments itself, then exits; `interrupted` is what Ctrl-C prints."""
    with _mistakes_in_a_line(interrupted):
        task()
    sys.exit(0)


def composed_values(folder: Path, config_name: str) -> dict[str, Any]:
    """`<folder>/<config_name>.yaml` as plain values: the defaults of a program that takes plain arguments.

    Raises:
        UserError: the file cannot be composed.
    """
    try:
        with hydra.initialize_config_dir(version_base=None, config_dir=str(folder)):
            return _plain(hydra.compose(config_name))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_first_line(error)) from None


def describe_composition_error(error: Exception, arguments: Sequence[str], folder: Path, config_name: str) -> str:
    """One line for Hydra's composition error, with the nearest valid key or option."""
    message = str(error)
    if found := re.search(r"Could not find '([^']+)'", message):
        group, _, option = found[1].rpartition("/")
        options = re.findall(r"^\t(\S+)$", message, flags=re.MULTILINE)
        return f"unknown {group or 'config'} '{option}'" + (nearest(option, options) if options else "")
    if found := re.search(r"Could not (?:override|append to config|delete)[^']*'([^']+)'", message):
        return _describe_unknown_key(found[1].lstrip("+~").partition("@")[0], arguments, folder, config_name)
    if isinstance(error, OverrideParseException):
        return f"cannot read '{error.override}' as KEY=VALUE: {_first_line(error)}"
    return _first_line(error)


def _describe_unknown_key(key: str, arguments: Sequence[str], folder: Path, config_name: str) -> str:
    others = [argument for argument in arguments if "=" in argument and argument.lstrip("+~").split("=")[0] != key]
    node: Mapping = dict.fromkeys(entry.name for entry in folder.iterdir() if entry.is_dir())
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base=None, config_dir=str(folder)):
        # Without overrides if the others are wrong, too.
        for overrides in (others, []):
            with suppress(HydraException, OmegaConfBaseException):
                node = {**node, **_plain(hydra.compose(config_name, overrides=overrides), resolve=False)}
                break
    parts = key.replace("/", ".").split(".")
    for depth, part in enumerate(parts):
        if part not in node:
            return f"unknown config key '{'.'.join(parts[: depth + 1])}'{nearest(part, [str(name) for name in node])}"
        child = node.get(part)
        if not isinstance(child, Mapping):
            break
        node = child
    return f"config key '{key}' cannot be set this way; run with --help to see what can be set"


@contextmanager
def _mistakes_in_a_line(interrupted: str = "interrupted") -> Iterator[None]:
    try:
        yield
    except (UserError, OmegaConfBaseException) as error:
        _stop(_first_line(error), USER_ERROR)
    except KeyboardInterrupt as interrupt:
        _stop(str(interrupt) or interrupted, INTERRUPTED)


def _plain(config: DictConfig, resolve: bool = True) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, resolve=resolve)
    assert isinstance(plain, dict), "a composed configuration is a mapping"
    return {str(key): value for key, value in plain.items()}


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def _stop(message: str, status: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(status)
