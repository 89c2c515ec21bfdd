"""What all tests share: how hard hypothesis looks (`--hypothesis-profile=long` for campaigns)."""

from hypothesis import HealthCheck, settings

UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("default", max_examples=25, deadline=None, suppress_health_check=UNHURRIED)
settings.register_profile("long", max_examples=200, deadline=None, suppress_health_check=UNHURRIED)
settings.load_profile("default")
