"""What is fitted and shipped: features, detector, calibration, sketch and golden rows, as one bundle.

A bundle is the only thing the registry keeps and the flows score with. It saves to plain JSON and
npz files, is verified against a hash before a byte is parsed, and a row's score depends on that row
alone. Import from the modules: ``judging`` uses ``sketch``; ``records`` and ``steps`` use ``bundle``.
"""

__all__: list[str] = []
