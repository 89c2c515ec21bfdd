"""Connectors: one TOML file per sender says how a delivery is proven, recognised again, and turned into facts."""
