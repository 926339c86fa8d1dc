"""The kill matrix: kills the operator at every step of a copy while cloud and API server fail, and checks the outcome.

    python -m chaos --seconds 1200 --seed 7

Everything is real but the cloud: the operator is a process of its own, the API server a real one, and the simulator a
process. One `proxy` stands in front of the API server and another in front of the cloud. A proxy holds a request or a
reply where a `point` says so; the operator is killed by SIGKILL in the meantime. The product has no code for tests.

Begin with `points` and `faults` (rows and columns of the matrix), `plan` (what a seed means) and `rounds` (what one
round does). `invariants` says what must hold.
"""
