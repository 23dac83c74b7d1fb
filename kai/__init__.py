"""Kai: talk with a lip-synced video avatar."""
