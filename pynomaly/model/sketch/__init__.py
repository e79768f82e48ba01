"""The reference in small: mergeable summaries of columns, and how much the reference differs from itself.

Called by `model.bundle`, `model.explanation` and `judging.drift`. Memory is bounded whatever the number of
rows. Imports `model.row_times` and below, and no other room of `model`.
"""
