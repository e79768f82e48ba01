"""The contract of a detector as checks; a detector enters the catalogue by passing them.

Called by `tests/detectors` and by authors of detectors. Imports the rest of `detectors`; nothing of
`detectors` imports it but the page of the catalogue.
"""
