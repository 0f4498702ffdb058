"""Coverage-guided fuzzing of every decoder (extra `fuzz`): `python -m tests.fuzz --seconds 60`."""
