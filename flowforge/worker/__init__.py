"""Doorbell in: one actor, three queues, a supervisor that holds leases and kills what outlives them."""
