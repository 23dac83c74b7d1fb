"""What the app lends to clients that talk, or show an avatar, by themselves: calls and sessions, never a key.

No page of Kai's needs this room but for the last word of one that leaves; it is a proxy for other front ends. What is lent is
recorded before it can cost money, bounded, and ended with its talk or with the app.
"""
