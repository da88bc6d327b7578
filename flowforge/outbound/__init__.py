"""Deliveries to hosts and webhooks, driven by the outbox: at least once, with patience, never in a job's way."""
