"""Data sets: readers, toys, endless shuffled batches and a check of what a folder holds."""

from .batches import Batches
from .check import Report, check
from .dataset import Dataset
from .load import load
from .toys import TOYS, Toy

__all__ = ["TOYS", "Batches", "Dataset", "Report", "Toy", "check", "load"]
