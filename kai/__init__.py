"""Kai: talk with a lip-synced video avatar."""

__version__ = "0.1.0"
