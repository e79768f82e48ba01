"""People are told: who, when, by which channel, and who next if nobody answers.

A message is written to the outbox first and then sent, so none is lost. What is told of an alert follows its
events: one incident a receiver, with its answer and its end.

Called by `alerting`, `monitoring`, `operations`, `reporting`, `streaming`, `flows.cli` and `tasks`. May
import the modules of `steps` and the wings below `steps`.
"""
