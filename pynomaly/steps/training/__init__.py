"""Training: plan it, read and split the reference, fit candidates, compare them, register the winner.

Called by `promotion`, `monitoring`, `replay`, `tasks` and `flows`. Of the rooms of `steps` it imports
`alerting` alone.
"""
