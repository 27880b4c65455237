"""Synthetic rolled-steel strips."""
