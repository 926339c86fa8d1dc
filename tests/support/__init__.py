"""Support code that several kinds of tests share: end-to-end tests, kill matrix, benchmark and demo.

`waiting` waits for a condition. `processes` starts the operator. `cluster` is a client of the API server, `cloud` a
client of the simulator, and `objects` builds manifests. The control plane itself is the package `controlplane`.
"""
