"""The Python API: plan, run, verify, rehearse."""
