"""Measurements of speed and memory that anyone can repeat; no part of the package."""
