"""The language model of this computer: its process, its slots, and its prompts.

`process` runs llama.cpp's own server as a child process and keeps it running. `slots` shares its few slots among the talks.
`kept_rules` fills an empty slot with the rules, which the model reads only once on each computer.
`telling` turns a talk into the messages of a prompt. `kai.engine.two_minds` decides which questions the model gets.
"""
