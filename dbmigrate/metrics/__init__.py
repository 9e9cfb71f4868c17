"""Metrics of runs in Prometheus' text format, for the textfile collector of node_exporter."""
