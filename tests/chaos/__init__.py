"""The kill matrix: the operator is killed at every step of a copy, while cloud and API server fail, and all is well.

    python -m chaos --seconds 1200 --seed 7

Everything is real but the cloud: the operator's own process, a real API server, the simulator's process. A `gateway`
stands before the API server and another before the cloud; they hold a request or a reply where a `point` says so, and
meanwhile the operator gets its SIGKILL. No test code is in the product. Begin with `points` and `faults` (the rows and
columns of the matrix), `plan` (what a seed means) and `rounds` (what one round does); `truth` says what must hold.
"""
