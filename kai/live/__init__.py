"""Tests paid services in a first session and reports what Kai assumes, what was seen, and which code depends on it.

`avatar` tests LiveAvatar and `realtime` tests OpenAI, both with the adapters' own parts. `report` holds rows, recording and
budget; `session` combines them for the command line, the Check page and ``--live``. Against Kai's own servers every row is as
assumed; with one of their fault switches on, that switch's row differs.
"""
