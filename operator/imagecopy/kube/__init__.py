"""The Kubernetes side: status writes with a precondition, Secrets by get only, Events."""
