"""The Kubernetes API of the operator: its resources as pydantic models, and the CRDs generated from them."""
