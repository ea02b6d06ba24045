"""The site: Sphinx with furo and MyST, which many projects stand on and which one maintainer less does not end."""

from scumble import __version__

project = "Scumble"
copyright = "The Scumble authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
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
