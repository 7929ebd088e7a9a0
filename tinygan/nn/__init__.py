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
from .conditional import ConditionalBatchNorm2d, VirtualBatchNorm2d, reference_batch
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
from .norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .padding import CircularPad2d, ReflectionPad2d, ReplicationPad2d, ZeroPad2d
from .pth import load_pth
from .recurrent import GRU, LSTM, GRUCell, LSTMCell
from .resample import AvgPool2d, MaxPool2d, PixelShuffle, Upsample
from .sample_norm import (
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
    PixelNorm,
)
from .style import AdaIN, EqualConv2d, EqualLinear, ModulatedConv2d

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "AdaIN",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Blur",
    "Buffer",
    "CircularPad2d",
    "ConditionalBatchNorm2d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Dropout",
    "Embedding",
    "EqualConv2d",
    "EqualLinear",
    "Flatten",
    "Fold",
    "GRUCell",
    "GroupNorm",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MaxPool2d",
    "MinibatchDiscrimination",
    "MinibatchStd",
    "ModulatedConv2d",
    "Module",
    "ModuleList",
    "MultiheadAttention",
    "PReLU",
    "Parameter",
    "PixelNorm",
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
    "VirtualBatchNorm2d",
    "ZeroPad2d",
    "functional_call",
    "init",
    "load_pth",
    "reference_batch",
    "utils",
]
