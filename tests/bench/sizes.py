"""How large and how long the scenarios are."""


class Sizes:
    """Numbers of objects, and durations in seconds."""

    def __init__(self, *, quick: bool) -> None:
        self.warm_up_seconds = 1.0 if quick else 5.0
        self.bursts: tuple[int, ...] = (100,) if quick else (100, 1_000, 5_000, 10_000)
        self.burst_copy_seconds = 6.0 if quick else 60.0
        self.waiting = 100 if quick else 10_000
        self.in_flight: tuple[int, ...] = (60,) if quick else (1_000, 10_000)
        self.in_flight_copy_seconds = 120.0 if quick else 1200.0
        self.restart_seconds = 3.0 if quick else 30.0
        self.latency = 3 if quick else 30
        self.slow = 10 if quick else 200
        self.throttled = 3 if quick else 20
        self.short_copy_seconds = 5.0 if quick else 30.0
        self.throttle_window_seconds = 5 if quick else 60
        self.long_copy_seconds = 8.0 if quick else 600.0
        self.long: tuple[int, ...] = (5,) if quick else (1, 20)
        self.window_seconds = 4.0 if quick else 60.0
        self.ceiling_seconds = 1.0 if quick else 10.0
