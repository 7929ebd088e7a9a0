"""``grad``: the reverse pass, and ``backward``, its thin PyTorch-style sugar.

    y = f(x),   grad(y, x, g) = J_f(x)^T g

One sweep over the nodes that lie on a path from the outputs to an asked input, consumers first.
Each node turns the cotangents of its outputs into cotangents of its inputs by its rule, and those
that reach the same tensor are added up. A cotangent that nothing produced is a symbolic zero: it
becomes an array only at a rule that takes several outputs. A node is released as soon as it is
done, unless the graph is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

from ..errors import DtypeError, GraphError, NotDifferentiableError, ShapeError
from ..kernels.arrays import elementwise, xp_of
from .op import Cotangents, Needs, Op, Tensors
from .outline import library, restored
from .tensor import Node, Tensor, recording

Key = tuple[int, int]  # which tensor: (id of its node, output number), or (id of the leaf, -1)

_accumulate = Op("accumulate", lambda a, b: elementwise("add", a, b), reads="shapes")
_accumulate.defvjp(lambda g, y, xs, needs: (g[0], g[0]))


def _key(t: Tensor) -> Key:
    return (id(t), -1) if t.node is None else (id(t.node), t.index)


@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor,
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> Tensor: ...


@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> Tensors: ...


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> Tensor | Tensors:
    """Compute the vector-Jacobian product of ``outputs`` with respect to ``inputs``.

    Args:
        outputs: tensor or sequence of tensors.
        inputs: tensor or sequence of tensors that require grad, leaves or not.
        grad_outputs: cotangents of ``outputs``, of their shapes; None means 1 for a scalar.
        create_graph: record the reverse pass itself, so that it can be differentiated again.
        retain_graph: keep the graph for another reverse pass; None follows ``create_graph``.

    Returns:
        A tensor for a tensor, a tuple for a sequence; zeros where no output depends on an input.

    Raises:
        NotDifferentiableError: an op on the path has no derivative.
        GraphError: the graph was released, or a tensor that it saved has changed.

    Differentiable: any order, with ``create_graph``.
    """
    outs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    ins = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    for i, t in enumerate(ins):
        if not t.requires_grad:
            raise NotDifferentiableError(
                f"grad: inputs[{i}], shape {t.shape}, does not require grad; "
                "make it by Tensor(data, requires_grad=True) before the outputs are computed"
            )
    keep = create_graph if retain_graph is None else retain_graph
    with recording(create_graph):
        found = _reverse(outs, _seeds(outs, grad_outputs), ins, keep)
    results = tuple(_zeros(t) if g is None else g for t, g in zip(ins, found, strict=True))
    return results[0] if isinstance(inputs, Tensor) else results


def _seeds(
    outs: Tensors, grad_outputs: Tensor | Sequence[Tensor | None] | None
) -> tuple[Tensor | None, ...]:
    if grad_outputs is None:
        for i, t in enumerate(outs):
            if t.size != 1:
                raise ShapeError(
                    f"grad: outputs[{i}] has shape {t.shape}; only a single number needs no "
                    "grad_outputs, so reduce it by .sum() or give a cotangent of its shape"
                )
        return tuple(Tensor(xp_of(t.data).ones(t.shape, dtype=t.dtype)) for t in outs)
    seeds = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
    if len(seeds) != len(outs):
        raise ShapeError(f"grad: {len(outs)} outputs but {len(seeds)} grad_outputs")
    for i, (t, g) in enumerate(zip(outs, seeds, strict=True)):
        if g is not None and (g.shape != t.shape or g.dtype != t.dtype):
            raise ShapeError(
                f"grad: outputs[{i}] is {t.dtype} {t.shape} but grad_outputs[{i}] is "
                f"{g.dtype} {g.shape}"
            )
    return seeds


def _zeros(t: Tensor) -> Tensor:
    return Tensor(xp_of(t.data).zeros_like(t.data))


class _Cotangents:
    """What has reached each tensor so far; also keeps the tensor alive until its node is done."""

    def __init__(self) -> None:
        self._sums: dict[Key, tuple[Tensor, Tensor]] = {}

    def add(self, pairs: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        """Add to what has reached each tensor its cotangent; None adds nothing."""
        for t, g in pairs:
            if g is None:
                continue
            key = _key(t)
            before = self._sums.get(key)
            self._sums[key] = (t, g if before is None else _accumulate(before[1], g))

    def get(self, key: Key) -> tuple[Tensor, Tensor] | None:
        """Return the tensor and its cotangent, or None if nothing has reached it."""
        return self._sums.get(key)

    def drop(self, key: Key) -> None:
        """Forget a tensor whose node is done."""
        self._sums.pop(key, None)


def _reverse(
    outs: Tensors, seeds: Sequence[Tensor | None], ins: Tensors, keep: bool
) -> list[Tensor | None]:
    asked = {_key(t) for t in ins}
    order, on_path = _order(outs, asked)
    _require_rules(order, outs)
    sums = _Cotangents()
    sums.add(zip(outs, seeds, strict=True))
    while order:  # popping, so that a finished node can be freed
        node = order.pop()
        keys = [(id(node), i) for i in range(len(node.outputs))]
        if any([sums.get(key) for key in keys]):
            needs = tuple([_key(t) in asked or id(t.node) in on_path for t in node.inputs])
            sums.add(_apply(node, keys, sums, needs))
        for key in set(keys) - asked:
            sums.drop(key)
        if not keep:
            node.release()
    found = [sums.get(_key(t)) for t in ins]
    return [None if f is None else f[1] for f in found]


def _require_rules(order: Sequence[Node], outs: Tensors) -> None:
    for node in order:
        if node.op.rule is None:
            path = _path(outs, node)
            raise NotDifferentiableError(f"op {node.op.name!r} has no derivative (path: {path})")


def _order(outs: Tensors, asked: set[Key]) -> tuple[list[Node], set[int]]:
    """List the nodes on a path from ``outs`` to an asked tensor, producers first.

    Iterative, so the depth of a graph is bounded by memory and not by the call stack.
    """
    order: list[Node] = []
    seen: set[int] = set()
    on_path: set[int] = set()
    stack = [(t.node, False) for t in outs if t.node is not None]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            if any([_key(t) in asked or id(t.node) in on_path for t in node.inputs]):
                on_path.add(id(node))
                order.append(node)
        elif id(node) not in seen:
            if node.released and not any((id(node), i) in asked for i in range(len(node.outputs))):
                raise GraphError(
                    f"grad: the graph behind op {node.op.name!r} was released by an earlier "
                    "reverse pass; give that one retain_graph=True"
                )
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((t.node, False) for t in node.inputs if t.node is not None)
    return order, on_path


def _apply(
    node: Node, keys: list[Key], sums: _Cotangents, needs: Needs
) -> Iterator[tuple[Tensor, Tensor]]:
    """Run the rule of one node; yield the inputs that need a cotangent, each with it."""
    ys: list[Any] = []
    g: list[Tensor] = []
    for key, (ref, shape, dtype) in zip(keys, node.outputs, strict=True):
        found = sums.get(key)
        ys.append(found[0] if found else ref())
        g.append(found[1] if found else _symbolic_zero(node, shape, dtype))
    if node.saved:
        ys = restored(ys, node.saved)
    _check_versions(node, ys)
    assert node.op.rule is not None  # _reverse looked before it began
    cotangents: Cotangents = node.op.rule(tuple(g), tuple(ys), node.inputs, needs, **node.params)
    for i, (t, gt) in enumerate(zip(node.inputs, cotangents, strict=True)):
        if gt is not None and needs[i]:
            _check_cotangent(node, i, t, gt)
            yield t, gt


def _symbolic_zero(node: Node, shape: tuple[int, ...], dtype: Any) -> Tensor:
    xp = library(node.inputs[0].data)
    return Tensor(xp.broadcast_to(xp.zeros((), dtype=dtype), shape))  # one number of memory


def _check_versions(node: Node, ys: list[Any]) -> None:
    if node.op.reads == "shapes":
        return
    read = node.op.inputs_read
    for kind, tensors, versions in (
        ("input", node.inputs[read], node.versions[read]),
        ("output", ys if node.op.outputs_read else (), node.out_versions),
    ):
        for t, version in zip(tensors, versions, strict=False):
            if t is not None and t._version[0] != version:
                raise GraphError(
                    f"op {node.op.name!r} saved an {kind} of shape {t.shape} at version {version}, "
                    f"but it was changed since (now {t.version}); compute the gradient before "
                    "assign_"
                )


def _check_cotangent(node: Node, i: int, t: Tensor, g: Tensor) -> None:
    if g._data.shape == t._data.shape and g._data.dtype == t._data.dtype:
        return
    if g.shape != t.shape:
        raise ShapeError(
            f"vjp rule of {node.op.name!r}: input {i} has shape {t.shape}, its cotangent {g.shape}"
        )
    raise DtypeError(
        f"vjp rule of {node.op.name!r}: input {i} is {t.dtype}, its cotangent {g.dtype}"
    )


def _path(outs: Tensors, target: Node) -> str:
    """Name the ops from an output down to ``target``."""
    came_from: dict[int, Node | None] = {}
    queue = [t.node for t in outs if t.node is not None]
    came_from.update((id(node), None) for node in queue)
    for node in queue:  # breadth first: the list grows as we go
        for t in node.inputs:
            if t.node is not None and id(t.node) not in came_from:
                came_from[id(t.node)] = node
                queue.append(t.node)
    names = [target.op.name]
    above = came_from[id(target)]
    while above is not None:
        names.append(above.op.name)
        above = came_from[id(above)]
    return " < ".join(reversed(names))


def backward(output: Tensor, gradient: Tensor | None = None, *, retain_graph: bool = False) -> None:
    """Add the gradient of ``output`` to ``.grad`` of every leaf that it depends on.

    Raises:
        NotDifferentiableError: ``output`` depends on no leaf that requires grad.
    """
    leaves = _leaves(output)
    if not leaves:
        raise NotDifferentiableError("backward: the output depends on no tensor that requires grad")
    for t, g in zip(leaves, grad(output, leaves, gradient, retain_graph=retain_graph), strict=True):
        t.grad = g if t.grad is None else Tensor(elementwise("add", t.grad.data, g.data))


def _leaves(output: Tensor) -> list[Tensor]:
    found: dict[int, Tensor] = {}
    seen: set[int] = set()
    stack = [output]
    while stack:
        t = stack.pop()
        if t.node is None:
            if t.requires_grad:
                found[id(t)] = t
        elif id(t.node) not in seen:
            if t.node.released:
                raise GraphError(
                    f"backward: the graph behind op {t.node.op.name!r} was released by an earlier "
                    "reverse pass; give that one retain_graph=True"
                )
            seen.add(id(t.node))
            stack.extend(t.node.inputs)
    return list(found.values())
