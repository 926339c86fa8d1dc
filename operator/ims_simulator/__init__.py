"""A faithful simulator of the Image Management Service (IMS) and of the IAM token service.

What the real service refuses, it refuses; what public documentation leaves open is a knob (`knobs`). A request goes
through `app` to one function of `iam`, `copies`, `jobs`, `listing`, `images` or `edits`, which reads and changes the
`state`; `control` holds the endpoints for tests, `faults` what can be made to go wrong, `clock` the cloud's own time,
`editions` presets of knobs. It shares no code with the operator, so that it cannot share a mistake with it.
"""
