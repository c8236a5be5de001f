"""How Sphinx builds this documentation: `make docs`."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "_ext"))

import pixelnerf  # noqa: E402  (the extensions' folder comes first)

project = "pixelnerf"
author = "the pixelnerf authors"
copyright = author
release = pixelnerf.__version__
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
    "config_reference",
    "figures",
    "mathml",
    "plain_docstrings",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_math_renderer = "mathml"
html_title = "pixelnerf"
html_static_path = ["_static"]
html_css_files = ["wide.css"]

myst_enable_extensions = ["amsmath", "attrs_block", "colon_fence", "deflist", "dollarmath", "smartquotes"]
myst_heading_anchors = 3

# A single backtick in a docstring is code, as in Markdown.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# Attributes stand in the class's own text; a second entry for each would be a duplicate.
napoleon_use_ivar = True

doctest_global_setup = "import torch"
