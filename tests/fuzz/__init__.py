"""Coverage-guided fuzzing of everything that takes bytes from a peer: ``python -m tests.fuzz``."""
