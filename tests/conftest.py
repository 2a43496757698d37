"""What all tests share."""

from hypothesis import settings

# compilation makes first examples slow, and a failure must be there again in the next run
settings.register_profile("jaxvec", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("jaxvec")
