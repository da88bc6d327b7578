"""The command line: one file a group of verbs. Talks REST, or is handed a local runner by `wiring`."""
