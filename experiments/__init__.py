"""The experiments behind the stored results: one module each, the same code at every scale."""
