"""Settings: one class per part of the package, each field with its unit, its bounds and its meaning."""
