from hypothesis import settings

# A failing example prints the blob that repeats it, on any machine.
settings.register_profile("repeatable", print_blob=True, deadline=None)
settings.load_profile("repeatable")
