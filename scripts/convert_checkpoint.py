"""Turns a checkpoint of the original pixelNeRF or mip-NeRF into one of ours: `pixelnerf convert`."""

from pixelnerf.app.programs.convert import run

if __name__ == "__main__":
    run()
