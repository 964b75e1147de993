"""One runner a kind of vector file: ``run(case)``."""
