"""kopf, and nothing but kopf: its handlers, how it is run, and whether its watches are alive."""
