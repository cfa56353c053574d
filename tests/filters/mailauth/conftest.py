"""Settings of the property tests here: a busy machine must not fail them by its clock."""

from hypothesis import settings

settings.register_profile("mailauth", deadline=None)
settings.load_profile("mailauth")
