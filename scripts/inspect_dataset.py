"""Shows what a reader understood of a dataset: `python scripts/inspect_dataset.py dataset=colmap dataset.root=PATH`.

The same as `pixelnerf inspect`.
"""

from pixelnerf.app.programs.inspect import run

if __name__ == "__main__":
    run()
