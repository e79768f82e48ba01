"""Pages people read: one a training, one a window, each a single file that opens anywhere.

Pure functions from facts to HTML: the same facts give the same bytes, and every number on a page is one of
its facts. Nothing is fetched, no script runs; a page reads on a telephone, on paper, in the dark, by
keyboard and by ear. Templates may be replaced by the user's own.
"""

from pynomaly.records.pages.rendering import TEMPLATES, rendered, template_names
from pynomaly.records.pages.training import training_page
from pynomaly.records.pages.window import window_page

__all__ = ["TEMPLATES", "rendered", "template_names", "training_page", "window_page"]
