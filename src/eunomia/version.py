"""Which version this is; apart from the package itself, which imports everything that a user sees."""

__version__ = "0.1.0"
