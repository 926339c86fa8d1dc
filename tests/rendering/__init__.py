"""Files that are generated from the Helm chart: `python -m rendering` (make manifests) writes them, tests compare them.

The chart is written by hand. Its copy of the CRDs, the table in its README, the kustomize base and overlays, and
deploy/install.yaml are generated from it, so they always agree.
"""
