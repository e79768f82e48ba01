"""The fitted model as one bundle: features, detector, calibration, sketch and golden rows.

The registry keeps only bundles, and the flows score only with bundles. A bundle is saved as plain JSON and
npz files and is verified against a hash before a byte is parsed. The score of a row depends on that row
alone. Import from the modules, not from the package.

Called by `console`, `serving`, `steps`, `records` and `judging`. May import `detectors` and `data`, and the
wings below them.
"""

__all__: list[str] = []
