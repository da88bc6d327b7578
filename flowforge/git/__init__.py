"""The git engine: every git process of the house starts here.

What: a bare mirror a repository, rebase in the object database, conflicts as values, push with an exact lease.
May import core, hooks, plugin; the only room that imports sh. Trusted git never runs in a repository that
untrusted code could write.
"""
