"""What can be set: knobs, and editions as presets of knobs."""
