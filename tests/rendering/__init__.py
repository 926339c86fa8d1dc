"""What is generated from the Helm chart: `python -m rendering` (make manifests) writes it, tests compare it.

One chart is written by hand; its copy of the CRDs, its README's table, the kustomize base and overlays and
deploy/install.yaml follow from it, so they can't say different things.
"""
