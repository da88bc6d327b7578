"""Logs, metrics and traces as the rest of the world reads them. Implements `core.telemetry`."""
