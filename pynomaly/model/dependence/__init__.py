"""How rows depend on the rows before: the object that is measured, and how it is measured.

<<<<<<< HEAD
Called by `bundle`, `bundle_files`, `calibration`, `fitting` and `steps.training`. May import `entities`, the
modules of `model` and the wings below `model`.
=======
Called by `bundle`, `bundle_files` and `steps.promotion`. May import `entities`, the modules of `model` and
the wings below `model`.
>>>>>>> main

Called by `bundle`, `bundle_files`, `calibration`, `fitting`, `steps.training` and `steps.promotion`. May
import `entities`, the modules of `model` and the wings below `model`.
"""
