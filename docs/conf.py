"""Sphinx configuration: ``sphinx-build -W -b html docs docs/_build``."""
# ruff: noqa: INP001, A001

from importlib.metadata import version as _version

project = "privproc"
author = "The privproc authors"
copyright = "the privproc authors"
release = version = _version("privproc")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]

myst_heading_anchors = 3
highlight_language = "none"  # structures of the wire; Python is marked as such

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
python_display_short_literal_types = True
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = f"privproc {release}"
html_static_path = ["_static", "figures/parties-tall.svg"]  # the figure is shown by the style sheet, to phones
html_css_files = ["custom.css"]
html_copy_source = False
html_show_sphinx = False


def _literal_blocks(_app, _what, _name, _object, _options, lines: list[str]) -> None:  # noqa: ANN001
    """Indented blocks in docstrings are structures and code: literal, with or without the double colon."""
    before, at = "", 0
    while at < len(lines):
        line = lines[at]
        first_of_block = bool(line and before) and not lines[at - 1]
        if first_of_block and before.endswith("::") and not line.startswith(" "):
            # Nothing but the docstring's first line stood further left, so the common indentation took the block's.
            lines[at:] = [f"    {rest}".rstrip() for rest in lines[at:]]
            return
        if first_of_block and line.startswith("    ") and not (before.endswith("::") or before.startswith((" ", "-"))):
            lines[at:at] = ["::", ""]
            at += 2
        before, at = line or before, at + 1


def _without_constructor(_app, what, _name, _object, _options, signature, _returned):  # noqa: ANN001, ANN202
    """Steps, results of checks and protocols are made by no caller: how their constructor is written says nothing."""
    if what == "class" and signature and signature.startswith(("(*", "(state: ")):
        return "", None
    return None


def setup(app) -> None:  # noqa: ANN001
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _literal_blocks)
    app.connect("autodoc-process-signature", _without_constructor)
