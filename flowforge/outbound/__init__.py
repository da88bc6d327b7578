"""Deliveries to hosts and webhooks, driven by the outbox."""
