from hypothesis import HealthCheck, settings

# A failing example prints the blob that repeats it, on any machine; on a busy one, slowness is no failure.
settings.register_profile("repeatable", print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")
