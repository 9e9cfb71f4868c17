"""Traces of runs for OpenTelemetry, with the extra ``otel``. Nothing of it is imported when nobody asks for it."""
