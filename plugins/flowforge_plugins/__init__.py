"""What FlowForge brings along, as plugins: they import `flowforge.plugin` and their own library only."""
