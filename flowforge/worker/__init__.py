"""Doorbell in: one actor, three queues, a supervisor that holds leases and kills what outlives them.

One process, N threads. A thread answers a ring by claiming the job in Postgres, or does nothing; then it waits for
the job's children. One more thread does nothing but renew leases and look for cancels. Losing a lease stops the
job's session, and every door that runs something for it asks the session several times a second. May import jobs
and below; the only room beside queues that imports dramatiq.
"""
