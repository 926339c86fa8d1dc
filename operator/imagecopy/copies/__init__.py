"""The life of an ImageCopy in this process, from the first event to the last."""
