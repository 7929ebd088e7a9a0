"""Bugs to plant, one at a time, each with the one test meant to catch it.

Many are known from the field: they passed the tests of the libraries that they were found in.
"""

from mutant import Mutant, conformance, gradients
from planted_cuda import CUDA

FUSED, NORM = "tinygan/autograd/fused.py", "tinygan/ops/norm.py"

ENGINE = [
    Mutant(
        "total for partial derivative in fused",
        FUSED,
        "return [_alias(x) if x.requires_grad else",
        "return [x if x.requires_grad else",
        gradients("batch_norm"),
    ),
    Mutant(
        "fused drops what the cotangent of the cotangent needs",
        FUSED,
        "found = iter(grad(first, asked, g, create_graph=is_recording()))",
        "found = iter(grad(first, asked, g))",
        gradients("batch_norm"),
    ),
    Mutant(
        "a vjp that uses .data",
        "tinygan/autograd/basic.py",
        '_binary("multiply", lambda g, a, b, y: g * b,',
        '_binary("multiply", lambda g, a, b, y: g * Tensor(b.data),',
        gradients("mul"),
    ),
    Mutant(
        "missing unbroadcast",
        "tinygan/autograd/basic.py",
        "unbroadcast(db(g[0], a, b, y[0]), b.shape) if needs[1] else None",
        "db(g[0], a, b, y[0]) if needs[1] else None",
        gradients("div"),
    ),
    Mutant(
        "a second cotangent replaces the first",
        "tinygan/autograd/vjp.py",
        "g if before is None else _accumulate(before[1], g)",
        "g",
        "tests/autograd/test_grad.py::test_a_tensor_used_twice_collects_both_cotangents",
    ),
    Mutant(
        "saved tensors may change unseen",
        "tinygan/autograd/vjp.py",
        'if node.op.reads == "shapes":\n        return',
        "if node.op.reads:\n        return",
        "tests/autograd/test_tensor.py::test_a_saved_tensor_that_changed_is_caught",
    ),
    Mutant(
        "a graph keeps values that no rule reads",
        "tinygan/autograd/outline.py",
        "x._data.nbytes <= LEAST else _stand_in(x, None)",
        "x._data.nbytes <= LEAST else x",
        "tests/autograd/test_outline.py::test_a_layer_keeps_its_input_and_its_output_and_nothing_between",
    ),
    Mutant(
        "a slope by the sign of an output that may have been rounded to 0",
        "tinygan/ops/activation.py",
        "1 <= gain < inf",
        "0 < gain < inf",
        "tests/autograd/test_outline.py::test_the_slope_by_the_output_has_the_bits_of_the_slope_by_the_input",
    ),
    Mutant(
        "the reverse pass is never recorded",
        "tinygan/autograd/vjp.py",
        "with recording(create_graph):\n        found",
        "with recording(False):\n        found",
        gradients("exp"),
    ),
    Mutant(
        "every input counts as needed",
        "tinygan/autograd/vjp.py",
        "needs.append(t.requires_grad and (id(t), -1) in asked)",
        "needs.append(t.requires_grad)",
        "tests/test_training_step.py::test_the_g_step_never_computes_weight_gradients_of_d",
    ),
    Mutant(
        "matmul forgets to transpose in its vjp of a square b",
        "tinygan/autograd/linear.py",
        "unbroadcast(_matmul(g[0], _swap(b)), a.shape) if needs[0] else None",
        "unbroadcast(_matmul(g[0], b if b.shape[-1] == b.shape[-2] else _swap(b)), a.shape)\n"
        "        if needs[0]\n        else None",
        gradients("matmul"),
    ),
]

OPS = [
    Mutant(
        "detach inside a composite",
        NORM,
        "deviation = sqrt(mean(square(centred), axes, True) + eps)",
        "deviation = sqrt(mean(square(centred), axes, True) + eps).detach()",
        gradients("batch_norm"),
    ),
    Mutant(
        "statistics frozen in the backward of the backward",
        NORM,
        "centred = part - mean(part, axes, True)",
        "centred = part - mean(part, axes, True).detach()",
        gradients("batch_norm"),
    ),
    Mutant(
        "sigma treated as constant in spectral norm",
        NORM,
        "return w / sigma\n",
        "return w / sigma.detach()\n",
        gradients("spectral_norm"),
    ),
    Mutant(
        "sigma treated as constant in the kernel of spectral norm",
        "tinygan/kernels/spectral_norm/reference.py",
        "gw = g / sigma + g_sigma * (u[:, None] * v[None, :])",
        "gw = g / sigma",
        gradients("spectral_norm"),
    ),
    Mutant(
        "gradient penalty normed over channels only",
        "tinygan/gan/penalties.py",
        "return sum_(square(gx), tuple(range(1, gx.ndim)))",
        "return sum_(square(gx), 1)",
        "tests/exact/test_penalties_of_simple_critics.py::"
        "test_a_centred_penalty_of_a_linear_critic_is_its_distance_from_slope_one",
    ),
    Mutant(
        "one alpha for the whole batch",
        "tinygan/gan/penalties.py",
        "return values.reshape(-1, *[1] * (x.ndim - 1)).astype(x.dtype, copy=False)",
        "return values.ravel()[0].astype(x.dtype, copy=False)",
        "tests/gan/test_penalties.py::test_interpolates_lie_between_their_own_real_and_fake",
    ),
    Mutant(
        "the penalty's slope is not differentiated again",
        "tinygan/gan/penalties.py",
        "gx = grad(sum_(D(x)), x, create_graph=True)",
        "gx = grad(sum_(D(x)), x)",
        "tests/gan/test_penalties.py::"
        "test_slope_of_the_penalty_through_conv_and_batch_norm_is_its_finite_difference",
    ),
    Mutant(
        "R1 without its half",
        "tinygan/gan/penalties.py",
        "mean(squared_slopes(D, real)) * (0.5 * gamma_r1)",
        "mean(squared_slopes(D, real)) * gamma_r1",
        "tests/exact/test_penalties_of_simple_critics.py::"
        "test_a_zero_centred_penalty_of_a_linear_critic_is_its_squared_slope",
    ),
    Mutant(
        "label smoothing on fakes",
        "tinygan/ops/loss.py",
        "return bce_with_logits(real, 1.0 - smooth) + bce_with_logits(fake, 0.0)",
        "return bce_with_logits(real, 1.0 - smooth) + bce_with_logits(fake, smooth)",
        "tests/exact/test_losses_by_hand.py::test_a_loss_its_gradient_and_its_curvature_by_hand",
    ),
    Mutant(
        "running variance biased",
        "tinygan/nn/norm.py",
        "self._track(mean, var * (count / (count - 1)),",
        "self._track(mean, var,",
        "tests/nn/test_norm_layers.py::"
        "test_running_statistics_move_by_momentum_towards_mean_and_unbiased_variance",
    ),
    Mutant(
        "batch normalised by the unbiased variance",
        "tinygan/kernels/batch_norm/reference.py",
        "return mean, (centred * centred).mean(axis=axes)",
        "count = x.size // mean.size\n"
        "    return mean, (centred * centred).sum(axis=axes) / max(count - 1, 1)",
        "tests/kernels/test_batch_norm.py::test_forward_is_the_definition_rounded_once",
    ),
    Mutant(
        "EMA of buffers",
        "tinygan/gan/ema.py",
        "mine.assign_(data.copy())",
        "mine.assign_((data + (mine.data - data) * self.decay(batch)).astype(mine.dtype))",
        "tests/gan/test_ema_replay.py::test_buffers_are_copied_and_not_averaged",
    ),
]

KERNELS = [
    Mutant(
        "padding sign",
        "tinygan/kernels/conv2d/reference.py",
        "out[:, :, ph : ph + h, pw : pw + w] = x",
        "out[:, :, : h - ph, : w - pw] = x[:, :, ph:, pw:]",
        "tests/kernels/test_conv2d.py::test_reference_equals_seven_loops",
    ),
    Mutant(
        "dilation ignored in dgrad (C++)",
        "csrc/conv2d/direct.cpp",
        "const long q = v + a.pad_w - s * a.dil_w;",
        "const long q = v + a.pad_w - s;",
        "tests/kernels/test_conv2d.py::"
        "test_exact_kernels_match_the_reference_bit_for_bit_on_integers",
    ),
    Mutant(
        "a group reads the filters of the first (C++)",
        "csrc/conv2d/direct.cpp",
        "const long first = c / cg * og;",
        "const long first = 0;",
        "tests/kernels/test_conv2d.py::"
        "test_exact_kernels_match_the_reference_bit_for_bit_on_integers",
    ),
    Mutant(
        "padding sign (Numba)",
        "tinygan/kernels/conv2d/numba_loops.py",
        "                            for c in range(channels):\n"
        "                                cols[n, p, q, r, s, c] = x[n, h, w, c0 + c]",
        "                            for c in range(channels):\n"
        "                                cols[n, p, q, r, s, c] = x[n, h, w - pw, c0 + c]",
        gradients("conv2d", "numba"),
    ),
    Mutant(
        "a float32 accumulator where float64 is declared (C++)",
        "csrc/spectral_norm/spectral_norm.cpp",
        "double sigma = 0;",
        "float sigma = 0;",
        "tests/kernels/test_spectral_norm.py::test_cpp_accumulates_in_float64",
    ),
    Mutant(
        "a float32 accumulator where float64 is declared (NumPy)",
        "tinygan/kernels/batch_norm/reference.py",
        "mean = x.mean(axis=axes, dtype=xp.float64)",
        "mean = x.mean(axis=axes)",
        "tests/kernels/test_batch_norm.py::test_a_large_mean_costs_no_digits",
    ),
    Mutant(
        "wrong tail: the last vector is left out (C++)",
        "csrc/adam/adam.cpp",
        "for (long i = begin; i < end; i += lanes) {",
        "for (long i = begin; i + lanes <= end; i += lanes) {",
        "tests/kernels/test_adam_kernel.py::test_steps_follow_the_published_algorithm",
    ),
    Mutant(
        "wrong tail: idle lanes are summed (C++)",
        "csrc/gan_loss/gan_loss.cpp",
        "for (long k = n; k < lanes; ++k) values[k] = 0;",
        "",
        "tests/kernels/test_gan_loss.py::test_value_is_the_mean_of_the_definition",
    ),
    Mutant(
        "the loss's slope forgets the mean (C++)",
        "csrc/gan_loss/gan_loss.cpp",
        "scale = splat(*gy / (T)s.n)",
        "scale = splat(*gy)",
        gradients("hinge_d_loss", "cpp"),
    ),
    Mutant(
        "batch norm drops the pull of the variance (C++)",
        "csrc/batch_norm/batch_norm.cpp",
        "of.back[c] = -of.scale[c] * inv * inv * (gd / rows);",
        "of.back[c] = 0;",
        gradients("batch_norm", "cpp"),
    ),
    Mutant(
        "batch norm drops the pull of the mean (Numba)",
        "tinygan/kernels/batch_norm/numba_loops.py",
        "slope) - back[0, c]",
        "slope)",
        gradients("batch_norm", "numba"),
    ),
    Mutant(
        "spectral norm's cotangent of u has the wrong sign (C++)",
        "csrc/spectral_norm/spectral_norm.cpp",
        "gu[r] = (T)(gsigma * ws.dots[r]);",
        "gu[r] = (T)(-gsigma * ws.dots[r]);",
        gradients("spectral_norm", "cpp"),
    ),
    Mutant(
        "Adam's bias correction off by one step",
        "tinygan/kernels/adam/reference.py",
        "p -= (lr / (1 - beta1**step)) * (m / denominator)",
        "p -= (lr / (1 - beta1 ** (step + 1))) * (m / denominator)",
        "tests/kernels/test_adam_kernel.py::test_steps_follow_the_published_algorithm",
    ),
]

SAMPLE_NORM = "tinygan/ops/sample_norm.py"

LATER_OPS = [
    Mutant(
        "layer norm's variance held constant",
        SAMPLE_NORM,
        "deviation = sqrt(mean(square(centred), axes, True) + eps)",
        "deviation = sqrt(mean(square(centred), axes, True) + eps).detach()",
        gradients("layer_norm"),
    ),
    Mutant(
        "group norm's mean held constant",
        SAMPLE_NORM,
        "centred = x - _group_mean(x, num_groups)",
        "centred = x - _group_mean(x, num_groups).detach()",
        gradients("group_norm"),
    ),
    Mutant(
        "group norm's weight gradient is not normalised (C++)",
        "csrc/group_norm/group_norm.cpp",
        "of_weight += t.of.gd[c] * t.inv_std[c];",
        "of_weight += t.of.gd[c];",
        gradients("group_norm", "cpp"),
    ),
    Mutant(
        "weight norm's length held constant",
        NORM,
        "v * (g / sqrt(sum(square(v), axes, dim is not None)))",
        "v * (g / sqrt(sum(square(v), axes, dim is not None)).detach())",
        gradients("weight_norm"),
    ),
    Mutant(
        "demodulation held constant",
        "tinygan/ops/style.py",
        "return rsqrt(matmul(square(style), transpose(energy)) + eps)",
        "return rsqrt(matmul(square(style), transpose(energy)) + eps).detach()",
        gradients("modulated_conv2d"),
    ),
    Mutant(
        "a sample is compared with itself",
        "tinygan/ops/minibatch.py",
        "others = 1 - xp_of(f.data).eye(n, dtype=f.dtype)",
        "others = 1 + 0 * xp_of(f.data).eye(n, dtype=f.dtype)",
        "tests/ops/test_minibatch.py::test_two_samples_by_hand",
    ),
    Mutant(
        "the gates of the LSTM in another order",
        "tinygan/ops/recurrent.py",
        "i, f, g, o = split(gx + linear(h, weight, bias), 4, -1)",
        "f, i, g, o = split(gx + linear(h, weight, bias), 4, -1)",
        "tests/ops/test_recurrent.py::test_an_lstm_cell_follows_its_formulas",
    ),
    Mutant(
        "attention scaled by the size and not its root",
        "tinygan/ops/attention.py",
        "return 1 / math.sqrt(q.shape[-1]) if scale is None",
        "return 1 / q.shape[-1] if scale is None",
        "tests/ops/test_attention.py::test_attention_follows_its_definition",
    ),
    Mutant(
        "a filter is turned where it should not be",
        "tinygan/kernels/upfirdn2d/spec.py",
        "return f if self.flip else f[::-1, ::-1]",
        "return f",
        "tests/ops/test_filter.py::test_upfirdn2d_is_zero_insertion_and_a_depthwise_convolution",
    ),
    Mutant(
        "interpolation between corners, and not between the centres of pixels",
        "tinygan/kernels/resize2d/weights.py",
        "centre = (np.arange(out) + 0.5) * (size / out if step is None else step) - 0.5",
        "centre = np.arange(out) * (size / out if step is None else step)",
        "tests/kernels/test_resize2d.py::test_kernels_add_up_the_weighted_pixels",
    ),
    Mutant(
        "the game's Jacobian transposed",
        "tinygan/gan/field.py",
        "return pushforward(v, flat, tangents, create_graph=create_graph)",
        "return grad(v, flat, tangents, create_graph=create_graph, retain_graph=True)",
        "tests/gan/test_field.py::test_products_agree_with_differences_of_the_field",
    ),
    Mutant(
        "evaluation moves the vectors of spectral norm",
        "tinygan/nn/utils.py",
        "        if module.training:\n",
        "        if True:\n",
        "tests/nn/test_norm_layers.py::test_eval_freezes_u_and_v",
    ),
    Mutant(
        "a named backend falls back without a word",
        "tinygan/kernels/registry.py",
        "    strict = _STRICT.get()\n    if strict is not None:\n        return strict\n",
        "    strict = _STRICT.get()\n    if strict is not None:\n"
        "        return (*strict, *BACKENDS)\n",
        "tests/kernels/test_registry.py::test_a_named_backend_never_falls_back",
    ),
]


VALUES, PIXELS = (
    "tests/autograd/test_values.py::",
    "tests/kernels/test_conv2d.py::test_many_pixels_are_added_up_exactly",
)

# Found by mutating operators and constants at random: the tests of then did not see them.
SURVIVORS = [
    Mutant(
        "a rule takes one input to be needed for the other",
        "tinygan/ops/conv.py",
        "_dgrad(g[0], w, spec=spec, x_shape=x.shape) if needs[0] else None",
        "_dgrad(g[0], w, spec=spec, x_shape=x.shape) if needs[1] else None",
        gradients("conv2d"),
    ),
    Mutant(
        "flip skips entries of the axes that it leaves, and its derivative fits",
        "tinygan/autograd/linear.py",
        "slice(None, None, -1 if i in axes else 1)",
        "slice(None, None, -1 if i in axes else 2)",
        VALUES + "test_functions_along_axes",
    ),
    Mutant(
        "a method that does nothing, and its derivative fits",
        "tinygan/autograd/tensor.py",
        "return basic.tanh(self)",
        "return self",
        VALUES + "test_functions_of_one_array",
    ),
    Mutant(
        "a run that was split lies idle whole (C++)",
        "csrc/common/runs.cpp",
        "resize(run, run->first, run->second.span - span);",
        "resize(run, run->first, run->second.span);",
        "tests/kernels/test_memory_runs.py::test_random_blocks_keep_what_was_written_and_overlap_nowhere",
    ),
    Mutant(
        "zeros in a run that grew are not cleared (C++)",
        "csrc/common/runs.cpp",
        "bool fresh = more == span;",
        "bool fresh = true;",
        "tests/kernels/test_memory_runs.py::test_zeros_are_zeros_in_a_run_that_grew",
    ),
    Mutant(
        "no last part of many pixels (C++)",
        "csrc/conv2d/wgrad.cpp",
        "g.blocks() * (part + 1) / g.parts",
        "g.blocks() / g.parts * (part + 1)",
        PIXELS,
    ),
    Mutant(
        "the second block of a long row reads the first's cotangents (C++)",
        "csrc/conv2d/wgrad.cpp",
        "line->y + (from - line->first) * y_step",
        "line->y + (from - line->first % g.span) * y_step",
        PIXELS,
    ),
    Mutant(
        "the taps of a column are a row's, where channels fill a vector (C++)",
        "csrc/upfirdn2d/upfirdn2d.cpp",
        "V tap = splat(f[i * a.up_h * a.f_r + j * a.up_w * a.f_s]);",
        "V tap = splat(f[i * a.up_h * a.f_r + j * a.f_s]);",
        conformance("upfirdn2d"),
    ),
    Mutant(
        "weight gradients leave out all tiles but the first (C++)",
        "csrc/layer_norm/layer_norm.cpp",
        "for (long down = 0; down < t.down; ++down) {",
        "for (long down = 0; down < 1; ++down) {",
        conformance("layer_norm_vjp"),
    ),
    Mutant(
        "the third block is not added (C++)",
        "csrc/reduce/reduce.cpp",
        "for (long b = 1; b < cut.blocks; ++b) total",
        "for (long b = 1; b < min_of(cut.blocks, 2); ++b) total",
        conformance("sum"),
    ),
]

WITHIN, EXACT = (
    f"tests/kernels/test_winograd.py::{test}"
    for test in (
        "test_kernels_stay_within_the_bound_of_their_algorithm[conv2d{pass}/cpp/winograd_f4]",
        "test_f2_is_exact_on_small_integers[conv2d{pass}/cpp/winograd_f2]",
    )
)

WINOGRAD = [
    Mutant(
        "a digit of Winograd's matrices (C++)",
        "csrc/conv2d/winograd_matrices.hpp",
        "{1, 0}, {-8 / 9.f, -4 / 9.f}",
        "{1, 0}, {-8 / 9.f, -5 / 9.f}",
        "tests/kernels/test_winograd.py::test_the_header_of_the_kernels_has_these_matrices[4-2]",
    ),
    Mutant(
        "overlapping tiles overwrite each other (C++)",
        "csrc/conv2d/winograd.cpp",
        "const bool met = h < met_rows || w < met_columns;",
        "const bool met = h < met_rows && w < met_columns;",
        EXACT.replace("{pass}", "_dgrad"),
    ),
    Mutant(
        "taps that a phase lacks are read all the same (C++)",
        "csrc/conv2d/winograd_plan.hpp",
        "r < g.R && s < g.S ? (r * g.S + s) * p.plane() : -1",
        "r < g.R || s < g.S ? (r * g.S + s) * p.plane() : -1",
        EXACT.replace("{pass}", "_wgrad"),
    ),
    Mutant(
        "each chunk of the depth replaces the last (C++)",
        "csrc/conv2d/winograd.cpp",
        "multiply(p, chunk == 0, block.count",
        "multiply(p, true, block.count",
        WITHIN.replace("{pass}", ""),
    ),
    Mutant(
        "a NaN's tile is said to be smaller than it is",
        "tinygan/testing/conform/locality.py",
        "outputs = int(kernel.variant[-1])",
        "outputs = 2",
        conformance("conv2d"),
    ),
]

OVERHEAD = [
    Mutant(
        "a kept choice outlives the backends that were in force",
        "tinygan/kernels/registry.py",
        "            backend_order(),\n            *[setting()",
        "            *[setting()",
        "tests/kernels/test_registry.py::"
        "test_a_kept_choice_follows_the_backends_the_modes_and_the_list_of_kernels",
    ),
    Mutant(
        "a layer's second derivative is cut",
        "tinygan/ops/dense.py",
        "_wgrad(gx[0], g) if needs[1] else None",
        "_wgrad(gx[0], g).detach() if needs[1] else None",
        gradients("linear"),
    ),
    Mutant(
        "the far tail of a normal draw by the near one's polynomial (C++)",
        "csrc/philox/quantile.hpp",
        "if (r <= 5.0) return",
        "return",
        "tests/kernels/test_philox.py::test_cpp_draws_the_far_tail_as_the_reference_does",
    ),
]

MUTANTS = [*ENGINE, *OPS, *LATER_OPS, *KERNELS, *SURVIVORS, *WINOGRAD, *OVERHEAD, *CUDA]

INTRO = """# Planted bugs, and what catches them

Made by `make mutants`: each bug below was planted in a copy of the sources, alone, and the test
named beside it, which passes on clean sources, failed.

| bug | planted in | caught by |
|---|---|---|
"""


def page():
    """Return docs/mutants.md: each bug, where it was planted, and the test that caught it."""
    return INTRO + "".join(f"| {m.name} | `{m.path}` | `{m.test}` |\n" for m in MUTANTS)
