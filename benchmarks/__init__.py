"""Measurements of isolib beside what one would use instead: ratios from one machine, one run."""
