"""The configuration file: TOML in, a checked configuration or every mistake with its line out."""
