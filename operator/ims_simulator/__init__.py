"""A faithful simulator of the Image Management Service (IMS) and of the IAM token service.

What the real service refuses, it refuses; what public documentation leaves open is a knob. It shares no code with the
operator, so that it cannot share a mistake with it. The rooms, from top to bottom; each imports only from below:

    cli        the command `ims-simulator`
    app        every route, and how the parts are put together
    control    the control API under /_simulator
    ims, iam   the two services: one function per call; they do not know each other
    gateway    what happens to every request on its way to a service: log, faults, authentication, rate limit
    state      records, accounts, faults, call log, state file
    clock      the cloud's own time
    replies    error bodies and codes
    settings   knobs and editions
    parsing    JSON
"""
