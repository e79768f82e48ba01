"""The account of a champion: bets against what it promises, carried from window to window within one budget.

Pure: earlier stakes and new counts in, frozen results out.

Called by `steps`. May import `comparison`, `drift`, the modules of `judging` and the wings below `judging`.
"""
