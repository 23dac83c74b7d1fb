"""The first paid session as a report: what Kai assumes of a provider, what was seen, and where to look.

`avatar` looks at LiveAvatar and `realtime` at OpenAI with the adapters' own parts; `report` holds rows, recording and budget;
`session` puts them together for the command line, the Check page and ``--live``. Against Kai's own servers every row is as
assumed; with one of their fault switches on, that switch's row is not.
"""
