"""Tree to Python source, and what the source calls when it runs."""
