"""Kinds of objects, one file (or package) each; every module lists its specs in ``SPECS``."""
