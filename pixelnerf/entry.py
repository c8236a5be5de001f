"""How the programs start: compose the configuration, run one task, and report a user's mistake in one line.

Exit status: 0 the work was done, 2 a user's mistake, 130 stopped by Ctrl-C. Anything else is a bug and shows its
traceback.
"""

import functools
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
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

    With `-m` the task runs once for each point of the sweep.
    """
    # Hydra re-raises instead of printing its own report, and no library of ours may unpickle a file from outside.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"

    @functools.wraps(task)
    def guarded(config: DictConfig) -> None:
        # Late, since it imports torch, which takes seconds.
        from pixelnerf.tools.process import prepare_process

        prepare_process()
        # Inside the task, because Hydra reports what a job raises in lines of its own.
        try:
            _require_values(config)
            plain = OmegaConf.to_container(config, resolve=True)
            assert isinstance(plain, dict), "a composed configuration is a mapping"
            task({str(key): value for key, value in plain.items()})
        except (UserError, OmegaConfBaseException) as error:
            _stop(_first_line(error), USER_ERROR)

    try:
        hydra.main(version_base=None, config_path=config_folder, config_name=config_name)(guarded)()
    except (HydraException, OmegaConfBaseException) as error:
        folder = (Path(inspect.getfile(task)).resolve().parent / config_folder).resolve()
        _stop(describe_composition_error(error, sys.argv[1:], folder, config_name), USER_ERROR)
    except KeyboardInterrupt as interrupt:
        _stop(str(interrupt) or "interrupted", INTERRUPTED)
    sys.exit(0)


def describe_composition_error(error: Exception, arguments: Sequence[str], folder: Path, config_name: str) -> str:
    """One line for what Hydra could not compose, with the nearest valid key or option."""
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
    node: Mapping = _compose_without(key, arguments, folder, config_name)
    parts = key.replace("/", ".").split(".")
    for depth, part in enumerate(parts):
        if part not in node:
            return f"unknown config key '{'.'.join(parts[: depth + 1])}'{nearest(part, [str(name) for name in node])}"
        child = node.get(part)
        if not isinstance(child, Mapping):
            break
        node = child
    return f"config key '{key}' cannot be set this way; run with --help to see what can"


def _compose_without(key: str, arguments: Sequence[str], folder: Path, config_name: str) -> Mapping:
    """The configuration without the unknown key, as plain values."""
    others = [argument for argument in arguments if "=" in argument and argument.lstrip("+~").split("=")[0] != key]
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base=None, config_dir=str(folder)):
        for overrides in (others, []):
            try:
                config = hydra.compose(config_name, overrides=overrides)
            except (HydraException, OmegaConfBaseException):
                continue
            plain = OmegaConf.to_container(config)
            groups = {entry.name for entry in folder.iterdir() if entry.is_dir()}
            return dict.fromkeys(groups) | (plain if isinstance(plain, dict) else {})
    return {}


def _require_values(config: DictConfig) -> None:
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UserError(f"config key '{missing[0]}' is missing; set it with {missing[0]}=VALUE{more}")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def _stop(message: str, status: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(status)
