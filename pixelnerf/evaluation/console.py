"""The table that an evaluation prints."""

from collections.abc import Iterator

from rich.table import Table

from pixelnerf.evaluation.results import Means, Results, Row, method_title
from pixelnerf.images.metrics import average_error


def results_table(results: Results) -> Table:
    """The summary of the results, with published rows where they are comparable.

    LPIPS has a column where it was measured, and beside it "Avg", mip-NeRF's one number of the three means in a row.
    Sharpness and seconds stand where methods of super-resolution are compared; `metrics.json` and the report always
    have them.
    """
    with_lpips = any(row.means.lpips is not None for row in results.rows)
    with_cost = any(row.kind == "refined" or row.method == "bicubic" for row in results.rows)
    table = Table(title=results.protocol)
    for name in ("scenes", "photos", "method"):
        table.add_column(name)
    optional = [*(["LPIPS", "Avg"] if with_lpips else []), *(["sharp", "s/view"] if with_cost else [])]
    for name in ("PSNR", "SSIM", *optional, "objects"):
        table.add_column(name, justify="right")
    for group in results.groups():
        for row in results.table(group):
            for name, means in _lines(row):
                table.add_row(group, str(row.views), name, *_cells(means, with_lpips, with_cost))
        table.add_section()
    return table


def _lines(row: Row) -> Iterator[tuple[str, Means]]:
    """A row, and by size where that is the model's or published."""
    yield f"{row.method} (published)" if row.kind == "published" else method_title(row.method), row.means
    if row.kind in ("model", "published"):
        yield from ((f"  at {size}", means) for size, means in row.sizes.items())


def _cells(means: Means, with_lpips: bool, with_cost: bool) -> list[str]:
    values = [(means.psnr, 2), (means.ssim, 3)]
    if with_lpips:
        average = None
        if means.ssim is not None and means.lpips is not None:
            average = average_error(means.psnr, means.ssim, means.lpips)
        values += [(means.lpips, 3), (average, 4)]
    if with_cost:
        values += [(means.sharpness, 3), (means.seconds, 2)]
    return [*("-" if value is None else f"{value:.{digits}f}" for value, digits in values), str(means.objects or "")]
