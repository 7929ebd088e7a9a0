"""Wrong calls of every function of tinygan._native: they must raise, or work, and never crash.

``calls.py`` draws right calls of each binding, ``mutations.py`` breaks them, ``memory.py`` keeps
arrays between guards, ``__main__.py`` makes many calls in one process and says which it is at.
"""
