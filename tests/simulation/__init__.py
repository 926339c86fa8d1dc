"""Deterministic simulation: real operator code, an API server and a cloud in memory, one event loop in virtual time.

One seed is one schedule. It decides how long each request takes, which fault strikes where, what users do and when
operators are killed, so a seed that fails can be replayed exactly. See docs/reliability.md.
"""
