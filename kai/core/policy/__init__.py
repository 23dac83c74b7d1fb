"""The policy of a talk, by concern. Pure functions: what happened and the state in, the new state and commands out."""
