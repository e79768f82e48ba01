"""What changed, as it is recorded: for who listens to the console, and for the sinks of pipelines.

Called by `app` and `context`. May import the modules of `console` and the wings below `console`.
"""
