"""What is kept: decisions, leases, scores, reports, runs and model versions.

Called by :mod:`pynomaly.steps` alone. Nothing here decides anything; it writes down what was decided and
finds it again. Every write is keyed, so a step that is killed and run again leaves what one run leaves.

``ledger``
    Decisions, partitions, observations, trainings and leases, in a relational database.
``store``
    Files: scores, quarantined rows, reports.
``registry``
    MLflow: experiments, runs, model versions, aliases.
``report``, ``evidently_report``, ``figures``
    What a person reads.
"""
