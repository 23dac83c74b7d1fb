"""The policy of a talk, one module per concern: pure functions from a state and an event to a new state and commands."""
