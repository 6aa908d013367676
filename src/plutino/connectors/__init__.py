"""External systems: one file or sub-package each. The folder is scanned; nothing here is imported by name."""
