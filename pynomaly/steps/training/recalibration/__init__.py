"""New p-values for the champion: from which rows, what speaks against these, and a rehearsal of it all.

Called by `monitoring`, `replay`, `training`, `flows.cli` and `tasks`. May import what `steps.training` may
import.
"""
