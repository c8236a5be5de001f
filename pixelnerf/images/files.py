"""The one line that says why a file cannot be read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from pixelnerf.errors import UserError

LONGEST_REASON = 200


@contextmanager
def reading(kind: str, path: Path) -> Iterator[None]:
    """Turns whatever a decoder raises about a file of some kind into one UserError with its path.

    A UserError passes unchanged. A pipe is refused: it can be read once, and one that nobody writes to waits for ever.
    """
    try:
        if path.is_fifo():
            raise UserError(f"{kind} '{path}' is a pipe, not a file: save it first")
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"missing {kind} '{path}'") from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise UserError(f"{kind} '{path}' has more than {most} megapixels: shrink it, its cameras stay") from None
    except Exception as error:  # libraries raise many kinds for damaged files
        reason = str(error).partition("\n")[0][:LONGEST_REASON] or type(error).__name__
        raise UserError(f"cannot read {kind} '{path}': {reason}; if it is damaged, copy it again") from None
