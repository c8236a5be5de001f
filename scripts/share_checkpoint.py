"""Turns a checkpoint of a training run into one file to share: `pixelnerf share`."""

from pixelnerf.app.programs.share import run

if __name__ == "__main__":
    run()
