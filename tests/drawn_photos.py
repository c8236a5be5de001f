"""Drawings that stand for photos of an object."""

from PIL import Image, ImageDraw


def draw_table(side=200):
    """Something like a red table in the middle of a square photo on white."""
    image = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(image)
    pen.polygon([(40, 80), (110, 60), (160, 85), (90, 110)], fill=(190, 40, 30))
    for x, y in ((44, 84), (92, 112), (156, 88)):
        pen.rectangle([x - 4, y, x + 4, y + 45], fill=(120, 25, 20))
    return image
