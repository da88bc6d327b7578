"""Postgres: one door for transactions, the tables, and the statements over them.

The only room that imports peewee and psycopg2. May import core, hooks, plugin.
"""
