"""The control API under /_simulator, for tests and demos: no login, no faults, no rate limit, no call log."""
