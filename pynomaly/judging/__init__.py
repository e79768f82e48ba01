"""Pure decisions: evaluate models, compare them, detect drift and degradation, decide on retraining.

Nothing here reads or writes anything. Every function returns a small frozen object with its reasons;
the steps store it. What cannot be computed counts as failed, with the reason.

Called by `flows`, `console`, `tasks`, `steps` and `records`. May import `model`, and the wings below it.
"""

__all__: list[str] = []
