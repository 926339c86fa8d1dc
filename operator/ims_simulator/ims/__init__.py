"""The Image Management Service (IMS): copies and their jobs, images, lists and tags."""
