"""Counts first, formulas after: everything that turns probabilities and truth into numbers."""
