"""The reference in small: mergeable summaries of columns, and how much the reference differs from itself.

Memory is bounded whatever the number of rows.

Called by `bundle`, `bundle_files`, `explanation`, `steps.alerting`, `steps.training` and `judging`. May
import `entities`, `dependence`, the modules of `model` and the wings below `model`.
"""
