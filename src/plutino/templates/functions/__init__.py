"""The functions of the template language, one file per family. Each file declares its functions with ``registry.define``."""
