"""Shows what a reader understood of photos with cameras: `python scripts/inspect_dataset.py FOLDER`.

The same as `pixelnerf inspect`.
"""

from pixelnerf.app.programs.inspect import run

if __name__ == "__main__":
    run()
