"""Lends calls and avatar sessions, but never a key, to clients that hold the call or show the avatar themselves.

This is a proxy for other front ends; Kai's pages use it only to report that they leave. Everything lent is recorded before
it can cost money, is limited, and ends with its talk or with the app.
"""
