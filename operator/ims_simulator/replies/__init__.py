"""The cloud's replies: the error bodies of each API, their codes and their messages."""
