"""Pages for people: one per training and one per window, each a single HTML file.

Pure functions from facts to HTML: the same facts give the same bytes, and every number on a page is one of
its facts. A page fetches nothing and runs no script. It works on a telephone, on paper, in dark mode, with a
keyboard and with a screen reader. Users may replace the templates with their own.

Called by `steps.reporting`. May import the modules of `records` and the wings below `records`.
"""

from pynomaly.records.pages.rendering import TEMPLATES, list_templates, render_template
from pynomaly.records.pages.training import render_training_page
from pynomaly.records.pages.window import render_window_page

__all__ = ["TEMPLATES", "list_templates", "render_template", "render_training_page", "render_window_page"]
