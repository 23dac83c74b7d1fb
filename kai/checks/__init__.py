"""Preflight checks. Each examines one thing and rates it good, doubtful or broken; the page has the texts."""
