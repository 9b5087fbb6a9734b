"""Sphinx's settings: MyST reads the pages, numpydoc the docstrings; `make docs` builds the site."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dai_spark import __version__

project = "dai_spark"
version = release = __version__
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]

# Anchors as GitHub makes them, so that a link to a section works in both places.
myst_heading_anchors = 3

# `name` in a docstring is a link where such an object has a page, else plain code.
default_role = "py:obj"
add_module_names = False
autodoc_preserve_defaults = True
# numpydoc's sections tell the types, in words.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
# A page lists the members that it means; one page for each of them would be a maze.
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False

# Blocks that name no language are what programs print.
highlight_language = "text"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_title = f"dai_spark {__version__}"
html_show_sourcelink = False
html_copy_source = False
