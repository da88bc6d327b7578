"""FlowForge keeps branches mergeable: rebase, resolve, validate, test, push, and refuse when in doubt."""

__version__ = "0.1.0"
