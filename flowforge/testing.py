"""For plugin authors: contract suites that any plugin can be held against."""
