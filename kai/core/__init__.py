"""The pure control plane: state, events, commands, the reducer and the store. It uses the standard library only.

Everything that happens is an ``Event``. ``step`` holds all policy and returns ``Command``s, which the session runs on its
ports.
"""
