"""Arguments of `pixelnerf render`, small ones unless a test says otherwise."""

from pixelnerf.app.render import RenderRequest


def render_request(photos, **changes):
    values = {
        "photos": tuple(photos),
        "output": None,
        "weights": "shapes13_all",
        "inputs": None,
        "path": "orbit",
        "size": 32,
        "frames": 4,
        "fps": 8.0,
        "elevation": 30.0,
        "field_of_view": None,
        "matting": "auto",
        "masks": (),
        "quality": "baked",
        "threshold": None,
        "device": "cpu",
    }
    return RenderRequest(**{**values, **changes})
