"""The contract of a detector as checks; a detector enters the catalogue by passing them.

Authors of detectors call the checks too. Of `detectors`, the page of the catalogue alone imports them.

Called by `catalogue_page`. May import `numerics`, the modules of `detectors` and the wings below
`detectors`.
"""
