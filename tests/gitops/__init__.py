"""How GitOps tools read our objects: Argo CD's scripts run under its limits, and the rules of kstatus.

Unit and end-to-end tests use this package. `python -m gitops` writes the generated files below deploy/argocd.
"""
