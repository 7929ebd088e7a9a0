"""Executable errata: each wrong claim about GANs is shown to fail, and what holds is shown to hold.

``record.py`` is the tag of a test, ``cited.py`` holds what can't be computed here, ``page.py``
makes docs/errata.md of both.
"""
