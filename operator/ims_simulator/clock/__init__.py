"""The cloud's own time, and the forms in which the cloud writes times."""
