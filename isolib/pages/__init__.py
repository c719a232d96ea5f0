"""What belongs to single chapters: their explorers and the checks of their exercises.

The library proper does not import this package, apart from `isolib.exercises`, which looks up the
checks here. One module a chapter.
"""
