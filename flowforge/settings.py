"""Settings: one model, read from the environment and a TOML file, every field documented in config/default.yaml."""
