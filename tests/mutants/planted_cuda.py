"""Bugs of CUDA kernels and of capture: tests that need no GPU must see them."""

from mutant import Mutant, conformance

TRAINING = "tests/kernels/test_training_on_cusim.py::"
CAPTURED = "tests/gan/test_captured.py::"

CUDA = [
    Mutant(
        "a block adds its warps before they have written (CUDA)",
        "csrc/common/tg_device.cuh",
        "if (lane == 0) scratch[warp] = v;\n  __syncthreads();",
        "if (lane == 0) scratch[warp] = v;",
        TRAINING + "test_a_loss_of_many_logits[4096]",
    ),
    Mutant(
        "no barrier between a column's threads (CUDA)",
        "csrc/common/tg_columns.cuh",
        "scratch[threadIdx.x] = sum;\n  __syncthreads();",
        "scratch[threadIdx.x] = sum;",
        conformance("bias_act_vjp"),
    ),
    Mutant(
        "no barrier in a tree of partial results (CUDA)",
        "csrc/reduce/reduce.cu",
        "    __syncthreads();\n    if (t < half * inner",
        "    if (t < half * inner",
        conformance("sum"),
    ),
    Mutant(
        "no barrier before a tile is multiplied (CUDA)",
        "csrc/common/tg_gemm.cuh",
        "      __syncthreads();  // the next half has landed, and this one is free\n",
        "",
        conformance("matmul"),
    ),
    Mutant(
        "a wait that leaves both copies on their way (CUDA)",
        "csrc/probe/copies.cu",
        "wait_for_copies<1>();",
        "wait_for_copies<2>();",
        "tests/test_bench_gpu.py::test_the_wrappers_of_ptx_are_held_to_plain_copies",
    ),
    Mutant(
        "the rows of a thin tile are one apart (CUDA)",
        "csrc/common/tg_thin.cuh",
        "int row = first() + kApart * i;",
        "int row = first() + i;",
        "tests/kernels/test_products_on_cusim.py::test_convolutions_at_the_edges",
    ),
    Mutant(
        "a sum reads over its end (CUDA)",
        "csrc/gan_loss/gan_loss.cu",
        "int end = min(n, static_cast<int>(blockIdx.x + 1) * kLogits);",
        "int end = static_cast<int>(blockIdx.x + 1) * kLogits;",
        TRAINING + "test_a_loss_of_many_logits[255]",
    ),
    Mutant(
        "the last wide row is read whole (CUDA)",
        "csrc/common/tg_columns.cuh",
        "    return i < n ? i : n;",
        "    return i;",
        conformance("bias_act_vjp"),
    ),
    Mutant(
        "the tail behind groups of four is left out (CUDA)",
        "csrc/common/tg_tensors.cuh",
        "  for (; i < size; i += stride) f(i);",
        "  if (!fours)\n    for (; i < size; i += stride) f(i);",
        TRAINING + "test_more_tensors_than_a_launch_takes_of_all_sizes_and_orders[adam]",
    ),
    Mutant(
        "the folds of a channel are mixed up (CUDA)",
        "csrc/reduce/columns.cu",
        "k % folds * channels + channel",
        "channel * folds + k % folds",
        conformance("bias_act_vjp"),
    ),
    Mutant(
        "a lane halves its distance too early (CUDA)",
        "csrc/common/tg_device.cuh",
        "for (int distance = kWarp / 2; distance; distance /= 2)\n    v += ",
        "for (int distance = kWarp / 4; distance; distance /= 2)\n    v += ",
        conformance("bias_act_vjp"),
    ),
    Mutant(
        "the carry of a weight decay of 0 (CUDA)",
        "csrc/adam/adam.cu",
        "if (l2 != 0) grad += l2 * param;",
        "grad += l2 * param;",
        conformance("adam"),
    ),
    Mutant(
        "maximum forgets a NaN (CUDA)",
        "csrc/elementwise/elementwise.cu",
        "return a >= b || a != a ? a : b;",
        "return a >= b ? a : b;",
        "tests/kernels/test_elementwise_on_cusim.py::test_special_values_are_numpy_s[maximum]",
    ),
    Mutant(
        "a captured step draws the numbers of the step that was recorded (CUDA)",
        "csrc/philox/philox.cu",
        "return step_at ? *step_at : step;",
        "return step;",
        CAPTURED + "test_replays_have_the_bits_of_eager_steps[dcgan]",
    ),
    Mutant(
        "a replay keeps the bias correction of the recorded step",
        "tinygan/gan/captured.py",
        "                optimizer.step(grads)\n",
        "                pass\n",
        CAPTURED + "test_replays_have_the_bits_of_eager_steps[gan]",
    ),
    Mutant(
        "running statistics stay where the recorded step left them",
        "tinygan/gan/captured.py",
        "                home[...] = t.data\n",
        "",
        CAPTURED + "test_replays_have_the_bits_of_eager_steps[dcgan]",
    ),
    Mutant(
        "two allocations share a place while both live",
        "tinygan/kernels/cuda/arena.py",
        "            if lives[k].meets(lives[other])\n",
        "            if lives[k].begin == lives[other].begin\n",
        "tests/kernels/test_cuda_arena.py::test_what_lives_at_once_never_overlaps",
    ),
    Mutant(
        "the gate compiles headers of yesterday",
        "tinygan/kernels/cuda/sources.py",
        "    for name in files_of(file):\n",
        "    for name in [file]:\n",
        "tests/kernels/test_cuda_gate.py::test_the_cubin_s_name_changes_with_any_header",
    ),
    Mutant(
        "an array with gaps is launched on",
        "tinygan/kernels/cuda/launch.py",
        "    if not a.flags.c_contiguous:\n",
        "    if False:\n",
        "tests/kernels/test_cusim.py::test_arguments_that_do_not_fit_are_named",
    ),
]
