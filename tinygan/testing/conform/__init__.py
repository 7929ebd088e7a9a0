"""Kernel conformance: what every kernel owes, on calls recorded from random cases.

Read ``rules.py`` first, then ``calls.py`` (where calls come from), ``suite.py`` (the campaign over
all kernels) and ``primitives.py`` (float32 derivatives, step by step). How far a result may be off
is in ``testing/bounds``.
"""
