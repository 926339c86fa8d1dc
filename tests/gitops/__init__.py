"""What GitOps tools see of our objects: Argo CD's scripts under its own limits, and the rules of kstatus.

Used by unit and end-to-end tests alike; ``python -m gitops`` writes what is generated under deploy/argocd.
"""
