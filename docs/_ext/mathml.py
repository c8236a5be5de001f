"""Formulas as MathML, which browsers draw themselves: pages need no script from elsewhere, and builds no TeX."""

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Takes the place of MathJax in HTML."""
    app.add_html_math_renderer("mathml", (_visit, None), (_visit, None))
    return {"parallel_read_safe": True}


def _visit(self: object, node: nodes.math | nodes.math_block) -> None:
    formula = tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block))
    self.body.append(formula)  # pyright: ignore[reportAttributeAccessIssue]
    raise nodes.SkipNode
