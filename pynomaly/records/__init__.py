"""Records: decisions, leases, scores, reports, runs and model versions.

Nothing here decides anything; it stores decisions and results and reads
them back. Every write has a key, so a step that is killed and run again leaves the same records as one run.

``ledger``
    Decisions, partitions, observations, trainings and leases, in a relational database.
``store``
    Files: scores, quarantined rows, reports.
``registry``
    MLflow: experiments, runs, model versions, aliases.
``pages``, ``report``, ``evidently_report``, ``figures``
    Pages, pictures and texts for people; ``palette``, ``formats`` and ``axes`` are the colours, the formats
    of numbers and times, and the ticks that they share.

Called by `flows`, `console`, `tasks`, `serving` and `steps`. May import `judging`, and the wings below it.
"""
