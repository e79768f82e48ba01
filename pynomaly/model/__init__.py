"""The fitted model as one bundle: features, detector, calibration, sketch and golden rows.

The registry keeps only bundles, and the flows score only with bundles. A bundle is saved as plain JSON and
npz files and is verified against a hash before a byte is parsed. The score of a row depends on that row
alone. Import from the modules: ``judging`` uses ``sketch``; ``records`` and ``steps`` use ``bundle``.
"""

__all__: list[str] = []
