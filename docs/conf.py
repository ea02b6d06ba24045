"""The site: Sphinx with furo and MyST, which many projects stand on and which one maintainer less does not end."""

from typing import Any

from scumble import __version__

project = "Scumble"
copyright = "The Scumble authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
smartquotes_action = "qe"  # -- stays: it begins a flag
highlight_language = "none"  # a block without a language is not Python
suppress_warnings = ["myst.header"]  # the report's headings start where its tables need them

autodoc_typehints = "none"  # the signature has them, in short
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
python_use_unqualified_type_names = True
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"Scumble {release}"
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["tables.css"]


def setup(app: Any) -> None:
    """Napoleon takes what stands before a colon in a property's first line for its type: let a comment stand first."""

    def comment_first(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
        if what in ("attribute", "property") and lines:
            lines[:0] = ["..", ""]

    app.connect("autodoc-process-docstring", comment_first, priority=1)
