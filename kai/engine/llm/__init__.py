"""The language model of this computer: its process, its slots, and what it is told.

`process` runs llama.cpp's own server in a child and keeps it running; `slots` shares its few places among the talks;
`telling` makes one talk into the messages of a prompt; `kai.engine.two_minds` decides what goes to it at all.
"""
