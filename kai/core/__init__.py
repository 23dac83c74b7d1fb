"""The control plane, pure: state, events, commands, the reducer and the store. Standard library only.

Everything that happens is an ``Event``; ``step`` holds all policy; ``Command``s are run by the session on its ports.
"""
