"""A faithful simulator of the Image Management Service (IMS) and of the IAM token service."""
