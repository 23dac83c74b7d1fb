"""Preflight checks: each looks at one thing and finds it well, worth a look, or broken. No words: the page has them."""
