"""Evaluates a checkpoint under a protocol: `python eval_fewshot.py checkpoint=PATH protocol=shapes13_unseen`.

The same as `pixelnerf evaluate`.
"""

from pixelnerf.app.programs.evaluate import run

if __name__ == "__main__":
    run()
