"""Layers, networks and their state, with PyTorch's names, shapes, defaults and state-dict keys."""

from . import init, utils
from .activation import (
    ELU,
    LeakyReLU,
    LogSoftmax,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from .attention import MultiheadAttention, SelfAttention2d
from .container import ModuleList, Sequential
from .conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from .filter import Blur, Fold, Unfold
from .functional import functional_call
from .layers import (
    Dropout,
    Embedding,
    Flatten,
    Identity,
    Linear,
    Unflatten,
)
from .minibatch import MinibatchDiscrimination, MinibatchStd
from .module import Buffer, Module, Parameter
from .norm import BatchNorm1d, BatchNorm2d
from .padding import CircularPad2d, ReflectionPad2d, ReplicationPad2d, ZeroPad2d
from .pth import load_pth
from .recurrent import GRU, LSTM, GRUCell, LSTMCell
from .resample import AvgPool2d, MaxPool2d, PixelShuffle, Upsample

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Blur",
    "Buffer",
    "CircularPad2d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Dropout",
    "Embedding",
    "Flatten",
    "Fold",
    "GRUCell",
    "Identity",
    "LSTMCell",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MaxPool2d",
    "MinibatchDiscrimination",
    "MinibatchStd",
    "Module",
    "ModuleList",
    "MultiheadAttention",
    "PReLU",
    "Parameter",
    "PixelShuffle",
    "ReLU",
    "ReflectionPad2d",
    "ReplicationPad2d",
    "SelfAttention2d",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "Unflatten",
    "Unfold",
    "Upsample",
    "ZeroPad2d",
    "functional_call",
    "init",
    "load_pth",
    "utils",
]
