"""Objects whose every true picture is the bare background, such as a white car in SRN's test set.

Whoever renders nothing scores 100 dB on them, which lifts a mean over 704 objects by 0.1 dB.
"""

from collections.abc import Sequence

from pixelnerf.evaluation.results import BlankObject, ObjectResult, Row
from pixelnerf.images.metrics import PSNR_CEILING


def blank_objects(results: Sequence[ObjectResult]) -> tuple[BlankObject, ...]:
    """The objects whose targets, from all numbers of photos and at all sizes, equal their background."""
    empty: dict[tuple[str, str, str], bool] = {}
    psnr: dict[tuple[str, str, str], dict[int, float]] = {}
    for one in (one for result in results for one in result.measurements):
        key = (one.group, one.category, one.object)
        if one.method == "background":
            empty[key] = empty.get(key, True) and one.scores.psnr >= PSNR_CEILING
        if one.kind == "model":
            # The first is of the largest size.
            psnr.setdefault(key, {}).setdefault(one.views, one.scores.psnr)
    return tuple(BlankObject(*key, psnr[key]) for key, is_empty in empty.items() if is_empty)


def blank_note(blank: Sequence[BlankObject], rows: Sequence[Row]) -> dict[str, str]:
    """The note on blank objects and on the means without them, under its name in the results; none without such."""
    if not blank:
        return {}
    names = ", ".join(f"{one.object} ({', '.join(f'{value:.2f}' for value in one.psnr.values())} dB)" for one in blank)
    groups = {one.group for one in blank}
    without = "; ".join(
        f"{row.group}, {row.views} photo{'' if row.views == 1 else 's'}: {_decibels(row)}"
        for row in rows
        if row.kind == "model" and row.group in groups
    )
    return {"blank": f"only background in every target: {names}; the means without them: {without}"}


def _decibels(row: Row) -> str:
    return "no object is left" if row.without_blank is None else f"PSNR {row.without_blank.psnr:.2f}"
