"""``grad``: the reverse pass, and ``backward``, its thin PyTorch-style sugar.

    y = f(x),   grad(y, x, g) = J_f(x)^T g

One sweep over the nodes that lie on a path from the outputs to an asked input, consumers first.
Each node turns the cotangents of its outputs into cotangents of its inputs by its rule, and those
that reach the same tensor are added up. A cotangent that nothing produced is a symbolic zero: it
becomes an array only at a rule that takes several outputs. A node is released as soon as it is
done, unless the graph is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from ..errors import DtypeError, GraphError, NotDifferentiableError, ShapeError
from ..kernels.arrays import elementwise, xp_of
from .op import Needs, Op, Tensors
from .outline import library, restored
from .tensor import Node, Tensor, recording

Key = tuple[int, int]  # which tensor: (id of its node, output number), or (id of the leaf, -1)
Sums = dict[Key, tuple[Tensor, Tensor]]  # a tensor and its cotangent
Order = list[tuple[Node, Needs]]

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


def _reverse(
    outs: Tensors, seeds: Sequence[Tensor | None], ins: Tensors, keep: bool
) -> list[Tensor | None]:
    asked = {_key(t) for t in ins}
    order = _order(outs, asked)
    # what has reached each tensor so far; keeps the tensor alive until its node is done
    sums: Sums = {}
    for t, g in zip(outs, seeds, strict=True):
        if g is not None:
            _add(sums, t, g)
    while order:  # popping, so that a finished node can be freed
        node, needs = order.pop()
        _pass_on(node, needs, sums, asked)
        if not keep:
            node.release()
    found = [sums.get(_key(t)) for t in ins]
    return [None if f is None else f[1] for f in found]


def _add(sums: Sums, t: Tensor, g: Tensor) -> None:
    """Add a cotangent to what has reached a tensor."""
    key = (id(t), -1) if t.node is None else (id(t.node), t.index)
    before = sums.get(key)
    sums[key] = (t, g if before is None else _accumulate(before[1], g))


def _order(outs: Tensors, asked: set[Key]) -> Order:
    """List the nodes on a path from ``outs`` to an asked tensor, producers first, and their needs.

    Iterative, so the depth of a graph is bounded by memory and not by the call stack.
    """
    order: Order = []
    seen: set[int] = set()
    done: set[int] = set()
    on_path: set[int] = set()
    stack = [t.node for t in outs if t.node is not None]
    while stack:
        node = stack[-1]
        if id(node) not in seen:
            if node.released:
                _check_asked(node, asked)
            seen.add(id(node))
            for t in node.inputs:
                if t.node is not None and id(t.node) not in seen:
                    stack.append(t.node)
            continue
        stack.pop()
        if id(node) in done:
            continue
        done.add(id(node))
        needs = _needs(node, asked, on_path)
        if True in needs:
            on_path.add(id(node))
            order.append((node, needs))
            if node.op.rule is None:
                path = _path(outs, node)
                raise NotDifferentiableError(
                    f"op {node.op.name!r} has no derivative (path: {path})"
                )
    return order


def _needs(node: Node, asked: set[Key], on_path: set[int]) -> Needs:
    """Say of each input whether it is asked for, or lies on a path to one that is."""
    needs = []
    for t in node.inputs:
        made = t.node
        if made is None:
            needs.append(t.requires_grad and (id(t), -1) in asked)
        else:
            needs.append(id(made) in on_path or (id(made), t.index) in asked)
    return tuple(needs)


def _check_asked(node: Node, asked: set[Key]) -> None:
    """Raise unless a node that was released is where the asked tensors lie, and not on the way."""
    if not any((id(node), i) in asked for i in range(len(node.outputs))):
        raise GraphError(
            f"grad: the graph behind op {node.op.name!r} was released by an earlier "
            "reverse pass; give that one retain_graph=True"
        )


def _pass_on(node: Node, needs: Needs, sums: Sums, asked: set[Key]) -> None:
    """Run the rule of one node on what has reached its outputs, and add up what it answers."""
    ys: list[Any] = []
    g: list[Any] = []
    missing = []
    for i, (ref, _, _) in enumerate(node.outputs):
        key = (id(node), i)
        found = sums.get(key) if key in asked else sums.pop(key, None)
        if found is None:
            missing.append(i)
        ys.append(ref() if found is None else found[0])
        g.append(None if found is None else found[1])
    if len(missing) == len(g):
        return
    for i in missing:
        _, shape, dtype = node.outputs[i]
        g[i] = _symbolic_zero(node, shape, dtype)
    if node.saved:
        ys = restored(ys, node.saved)
    _check_versions(node, ys)
    assert node.op.rule is not None  # _order has looked
    cotangents = node.op.rule(tuple(g), tuple(ys), node.inputs, needs, **node.params)
    for t, needed, gt in zip(node.inputs, needs, cotangents, strict=True):
        if gt is None or not needed:
            continue
        mine, given = t._data, gt._data
        if given.shape != mine.shape or given.dtype != mine.dtype:
            raise _misfit(node, t, gt)
        _add(sums, t, gt)


def _symbolic_zero(node: Node, shape: tuple[int, ...], dtype: Any) -> Tensor:
    xp = library(node.inputs[0].data)
    return Tensor(xp.broadcast_to(xp.zeros((), dtype=dtype), shape))  # one number of memory


def _check_versions(node: Node, ys: list[Any]) -> None:
    if node.op.reads == "shapes":
        return
    read = node.op.inputs_read
    for t, version in zip(node.inputs[read], node.versions[read], strict=True):
        if t._version[0] != version:
            raise _changed(node, "input", t, version)
    if node.op.outputs_read:
        for y, version in zip(ys, node.out_versions, strict=True):
            if y is not None and y._version[0] != version:
                raise _changed(node, "output", y, version)


def _changed(node: Node, kind: str, t: Tensor, version: int) -> GraphError:
    return GraphError(
        f"op {node.op.name!r} saved an {kind} of shape {t.shape} at version {version}, "
        f"but it was changed since (now {t.version}); compute the gradient before assign_"
    )


def _misfit(node: Node, t: Tensor, g: Tensor) -> ShapeError | DtypeError:
    i = next(i for i, x in enumerate(node.inputs) if x is t)
    what = f"vjp rule of {node.op.name!r}: input {i}"
    if g.shape != t.shape:
        return ShapeError(f"{what} has shape {t.shape}, its cotangent {g.shape}")
    return DtypeError(f"{what} is {t.dtype}, its cotangent {g.dtype}")


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
