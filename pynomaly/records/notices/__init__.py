"""Messages to people: PagerDuty, Slack and Teams are spoken to directly, everything else through Apprise.

One module a channel. Each knows its own words for how grave a message is, what opens, changes or ends an
incident, and how a link is shown. An address holds secrets, so no error text contains a part of it.

Called by `steps.notices`. May import `ledger`, `store`, `sinks`, the modules of `records` and the wings
below `records`.
"""

from pynomaly.records.notices.send_notice import check_secret, send_notice

__all__ = ["check_secret", "send_notice"]
