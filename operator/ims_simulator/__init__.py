"""A faithful simulator of the Image Management Service (IMS) and of the IAM token service.

It refuses what the real service refuses; behaviour that public documentation leaves open is a knob. It shares no code
with the operator, so that both cannot make the same mistake. Its parts, each of which imports only from those below it:

    cli        the command `ims-simulator`
    app        every route, and how the parts are put together
    control    the control API under /_simulator
    ims, iam   the two services, with one function for each call; neither imports the other
    gateway    what happens to each request before a service gets it: log, faults, authentication, rate limit
    state      records, accounts, faults, call log and the state file
    clock      the cloud's own time
    replies    error bodies and codes
    settings   knobs and editions
    parsing    JSON
"""
