"""The version of the package, for its front door and for what run folders record."""

__version__ = "0.2.0"
