"""Organizations, people, tokens, repositories and budgets."""
