"""Trains a model: `python train.py experiment=quickstart`; `python train.py -m model.field.width=128,256` sweeps.

The same as `pixelnerf train`.
"""

from pixelnerf.app.programs.train import run

if __name__ == "__main__":
    run()
