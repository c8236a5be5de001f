"""Words of a command line: what their user means, and how to write them for Hydra."""

import re
from collections.abc import Sequence
from pathlib import Path

from pixelnerf.errors import UserError


def meant_words(words: Sequence[str]) -> list[str]:
    """A command line as its user means it: `~/` is the home folder after `=` too, where shells leave it as it is.

    Raises:
        UserError: a word is empty, as that of an unset variable is; taken for a path, it would be the current folder.

    >>> from pathlib import Path
    >>> from pixelnerf.tools.command_line import meant_words
    >>> words = meant_words(["--output=~/mug", "dataset.root=~/data/srn", "~logger"])
    >>> [word.replace(str(Path.home()), "/srv/ada") for word in words]
    ['--output=/srv/ada/mug', 'dataset.root="/srv/ada/data/srn"', '~logger']
    """
    for number, word in enumerate(words, start=1):
        if not word or (word.startswith("--") and word.endswith("=")):
            what = f"argument {number}" if not word else f"the value of {word[:-1]}"
            raise UserError(f"{what} is empty, as an unset shell variable is: give a value, or leave it out")
    return [_with_home(word) for word in words]


def _with_home(word: str) -> str:
    key, _, value = word.partition("=")
    if not value.startswith("~/"):
        return word
    path = str(Path(value).expanduser())
    return f"{key}={path}" if key.startswith("-") else override_of(key, path)


def override_of(key: str, value: str) -> str:
    r"""An argument that Hydra reads as a key and its text, whatever that holds.

    >>> override_of("dataset.root", "/data/my [best] photos")
    'dataset.root="/data/my [best] photos"'
    """
    # In Hydra's quotes, backslashes count only in front of a quote, as does the end.
    escaped = re.sub(r"(\\*)(\"|$)", lambda found: 2 * found[1] + ('\\"' if found[2] else ""), value)
    return f'{key}="{escaped}"'
