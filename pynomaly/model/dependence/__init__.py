"""How rows depend on the rows before: the object that is measured, and how it is measured.

Called by `bundle`, `bundle_files`, `calibration`, `fitting`, `sketch`, `steps` and `judging.account`. May
import `entities`, the modules of `model` and the wings below `model`.
"""
