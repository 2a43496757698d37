"""Arithmetic that learners share: pure functions, written and tested once."""
