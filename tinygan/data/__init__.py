"""Data sets: readers, toys, endless shuffled batches and a check of what a folder holds."""

from .batches import Batches
from .catalog import load
from .crops import Crops
from .dataset import Dataset
from .report import Report, check
from .toys import TOYS, Toy

__all__ = ["TOYS", "Batches", "Crops", "Dataset", "Report", "Toy", "check", "load"]
