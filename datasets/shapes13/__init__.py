"""Built-in data: seeded parametric objects of the thirteen ShapeNet categories, rendered in the NMR layout."""

from datasets.shapes13.config import Shapes13Config
from datasets.shapes13.dataset import generate, input_views, split_objects

__all__ = ["Shapes13Config", "generate", "input_views", "split_objects"]
