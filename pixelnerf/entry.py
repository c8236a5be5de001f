"""Entry points: compose the configuration, run a task, and report a user's mistake in one line.

Exit status: 0 success, 2 a user's mistake, 128 plus the number of the signal that stopped it (130 for Ctrl-C). Anything
else is a bug and shows its traceback.
"""

import functools
import inspect
import os
import re
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from pixelnerf.config import nearest
from pixelnerf.errors import FAILED_FILE, PointFailedError, StoppedBySignal, UserError
from pixelnerf.tools.command_line import meant_words, override_of
from pixelnerf.tools.files import refusal_in_a_line, write_atomically

Task = Callable[[dict[str, Any]], None]
"""Takes the composed configuration, resolved to plain values."""

USER_ERROR = 2
SIGNALLED = 128
INTERRUPTED = SIGNALLED + signal.SIGINT
CONFIG_FOLDER = "conf"
UNREADABLE = (YAMLError, ValueError, RecursionError)
"""What Hydra and OmegaConf raise, beside their own errors, for a file that is no YAML of theirs."""
LAUNCHERS = ("joblib", "submitit_local", "submitit_slurm")
"""Hydra's launchers that the extra `sweep` installs."""


def run_entry(task: Task, config_name: str, config_folder: str = CONFIG_FOLDER) -> NoReturn:
    """Runs a task on the composed `<config_folder>/<config_name>.yaml`, relative to the task's file, then exits.

    With `-m` the task runs once per point of the sweep. One that fails leaves its reason in `FAILED_FILE`, and the
    others are run all the same.
    """
    # Hydra re-raises instead of printing its own report, and no library unpickles a file from outside.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    with _mistakes_in_a_line():
        sys.argv[1:] = meant_words(sys.argv[1:])
    sys.argv += _overrides_of_later_processes(sys.argv[1:])

    folder = (Path(inspect.getfile(task)).resolve().parent / config_folder).resolve()
    began = False

    @functools.wraps(task)
    def guarded(config: DictConfig) -> None:
        nonlocal began
        began = True
        # Late, because it imports torch, which takes seconds.
        from pixelnerf.tools.process import prepare_process

        prepare_process()
        # Inside the task, because Hydra reports a job's exceptions in its own way.
        with _failure_kept() if in_sweep() else _mistakes_in_a_line():
            if missing := sorted(OmegaConf.missing_keys(config)):
                more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
                raise UserError(f"config key '{missing[0]}' is missing; set it with {missing[0]}=VALUE{more}")
            task(_plain(config))

    try:
        with _mistakes_in_a_line():
            hydra.main(version_base=None, config_path=config_folder, config_name=config_name)(guarded)()
    except HydraException as error:  # some of them are OSErrors, too
        _stop(describe_composition_error(error, sys.argv[1:], folder, config_name), USER_ERROR)
    except OSError as error:
        if began:
            raise
        if error.filename is None:
            _stop(_describe_unreadable(error, folder), USER_ERROR)
        # Hydra's own files come first.
        _stop(f"cannot write {error.filename}: {error.strerror}; choose another hydra.run.dir", USER_ERROR)
    except PointFailedError as failure:
        _stop(str(failure), failure.status)
    except UNREADABLE as error:
        if began:
            raise
        _stop(_describe_unreadable(error, folder), USER_ERROR)
    sys.exit(0)


def _overrides_of_later_processes(arguments: Sequence[str]) -> list[str]:
    """Of processes that torchrun or SLURM started together, only the first writes Hydra's files.

    A folder named after the time would be another one in each process.
    """
    if int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))) == 0:
        return []
    given = any(argument.startswith("hydra.run.dir=") for argument in arguments)
    return ["hydra.output_subdir=null", *([] if given else ["hydra.run.dir=."])]


def run_plain(task: Callable[[], None], interrupted: str = "interrupted") -> NoReturn:
    """Runs a task that reads plain arguments itself, then exits; `interrupted` is what Ctrl-C prints."""
    with _mistakes_in_a_line(interrupted):
        sys.argv[1:] = meant_words(sys.argv[1:])
        task()
    sys.exit(0)


def in_sweep() -> bool:
    """Whether the task is one of a sweep's points."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def new_output_folder() -> str | None:
    """Hydra's folder for what the task writes, if its name holds the time, so that no second start shares it."""
    values = HydraConfig.get()
    key = "sweep" if in_sweep() else "run"
    unresolved = OmegaConf.to_container(getattr(values, key), resolve=False)
    assert isinstance(unresolved, dict)
    return values.runtime.output_dir if "${now:" in str(unresolved["dir"]) else None


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
    except (*UNREADABLE, OSError) as error:
        raise UserError(_describe_unreadable(error, folder)) from None


def _describe_unreadable(error: Exception, folder: Path) -> str:
    """One line for a file of configuration that is no YAML, with its name if one in the folder is at fault."""
    for path in sorted(folder.rglob("*.yaml")):
        try:
            OmegaConf.load(path)
        except Exception as found:  # the parser's, those of numbers and encodings, and of too deep a nesting
            mark = getattr(found, "problem_mark", None)
            line = "" if mark is None else f"line {mark.line + 1}: "
            problem = getattr(found, "problem", None) or _first_line(found)
            return f"cannot read configuration file '{path}': {line}{problem}"
    return f"cannot read the configuration: {_first_line(error)}"


def describe_composition_error(error: Exception, arguments: Sequence[str], folder: Path, config_name: str) -> str:
    """One line for Hydra's composition error, with the nearest valid key or option."""
    message = str(error)
    if found := re.search(r"Could not find '([^']+)'", message):
        group, _, option = found[1].rpartition("/")
        options = re.findall(r"^\t(\S+)$", message, flags=re.MULTILINE)
        if group == "hydra/launcher" and option in LAUNCHERS:
            return f"hydra/launcher={option} needs a further package: pip install 'pixelnerf[sweep]'"
        return f"unknown {group or 'config'} '{option}'" + (nearest(option, options) if options else "")
    if found := re.search(r"Could not (?:override|append to config|delete)[^']*'([^']+)'", message):
        return _describe_unknown_key(found[1].lstrip("+~").partition("@")[0], arguments, folder, config_name)
    if isinstance(error, OverrideParseException):
        return f"cannot read '{error.override}' as KEY=VALUE: {_first_line(error)}; {_quoted(str(error.override))}"
    if found := re.match(r"Ambiguous value for argument '(.*)'$", _first_line(error)):
        return f"'{found[1]}' is a list of values, as for a sweep (-m); {_quoted(found[1])}"
    return _first_line(error)


def _quoted(override: str) -> str:
    """How to write an argument whose value Hydra's grammar cannot read, such as a path with spaces or brackets."""
    key, _, value = override.partition("=")
    if not value or not re.fullmatch(r"[\w.@/+~]+", key):
        return "write values with spaces, brackets or = in quotes, twice: 'dataset.root=\"/data/my photos\"'"
    return f"quote the value, twice: {shlex.quote(override_of(key, value))}"


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


def printable(text: str) -> str:
    r"""Text as one line: a file's name may hold line ends, bytes that are no letters, and codes that a terminal obeys.

    >>> printable("two\nlines.png")
    'two\\nlines.png'
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


@contextmanager
def _failure_kept() -> Iterator[None]:
    """Makes a failure of a sweep's point a `PointFailedError`, which Hydra raises once the other points have run."""
    values = HydraConfig.get()
    file = Path(values.runtime.output_dir) / FAILED_FILE
    with refusal_in_a_line(f"into {file.parent}"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
    try:
        yield
    except Exception as error:
        mistake = isinstance(error, UserError | OmegaConfBaseException)
        reason = _first_line(error) if mistake else traceback.format_exc()
        with suppress(OSError):
            # Without a place for it, the message below is all there is.
            write_atomically(file, f"{reason}\n".encode())
        raise PointFailedError(
            f"point {values.job.num} of the sweep failed: {_first_line(error)}; see {file}",
            USER_ERROR if mistake else 1,
        ) from None


@contextmanager
def _mistakes_in_a_line(interrupted: str = "interrupted") -> Iterator[None]:
    try:
        yield
    except UserError as error:
        _stop(printable(str(error)), USER_ERROR)
    except OmegaConfBaseException as error:
        _stop(_first_line(error), USER_ERROR)
    except StoppedBySignal as stop:
        _stop(str(stop), SIGNALLED + stop.number)
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
