"""The checks of each chapter, one module a chapter."""
