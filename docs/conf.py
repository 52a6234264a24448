"""How Sphinx builds these pages. ``make docs`` runs it with warnings as errors and without a network."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import generate  # noqa: E402

generate.write(HERE / "reference")

project = "cxcore"
author = "the cxcore authors"
copyright = "the cxcore authors, Apache-2.0"
release = metadata.version("cxcore")
html_title = f"cxcore {release}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["adr/template.md"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types in words: shape, unit, default
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_show_sphinx = False
html_copy_source = False
