"""Go's values in Python: types, texts, comparisons, times, JSON."""
