"""The state machine: pure functions of what is wanted, what was stored, what was seen and the time."""
