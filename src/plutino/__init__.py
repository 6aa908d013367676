"""Plutino: an edge stream-processing rule engine that speaks eKuiper's REST API and transfer documents."""

__version__ = "0.1.0"
