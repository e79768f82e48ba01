"""What people drop on the console: files, how they are read and corrected, first trainings.

Called by `api`, `app`, `client`, `context` and `pages`. May import the modules of `console` and the wings
below `console`.
"""
