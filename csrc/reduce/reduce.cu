// Sum, maximum or minimum of the middle axis of (outer, middle, inner). Reference:
// kernels/reduce/reference.py; kernels/reduce/plan.py brings other axes into that form.
//
// Where an output has many elements and inner is short, a block takes a piece of the middle axis of
// one outer index: its elements lie side by side, a thread keeps to one column, and the threads of
// a column meet in shared memory. Elsewhere a thread has an output, and neighbouring threads read
// neighbouring columns. Long sums are cut into `pieces`, whose results a second kernel reduces in
// order. Everything is carried in double; the order depends on the shape alone. Traffic: x once.
#include "common/tg_device.cuh"

// the order of KINDS in tinygan/kernels/reduce/plan.py
enum { SUM = 0, MAX = 1, MIN = 2 };

__device__ __forceinline__ double join(int kind, double a, double b) {
  if (kind == SUM) return a + b;
  if (a != a || b != b) return a != a ? a : b;  // a NaN wins
  return kind == MAX ? (a > b ? a : b) : (a < b ? a : b);
}

__device__ __forceinline__ double nothing(int kind) {
  if (kind == SUM) return 0;
  double infinity = static_cast<double>(__int_as_float(0x7f800000));
  return kind == MAX ? -infinity : infinity;
}

// The end of either kernel: the result itself, or that of a piece, (outer, pieces, inner).
__device__ __forceinline__ void leave(double v, float* y, double* partial, int outer, int piece,
                                      int i, int pieces, int inner) {
  if (pieces == 1)
    y[outer * inner + i] = static_cast<float>(v);
  else
    partial[(outer * pieces + piece) * inner + i] = v;
}

// inner is at most 128. blockIdx.x is (outer, piece).
TG_KERNEL __launch_bounds__(256)
    reduce_blocks(const float* __restrict__ x, float* __restrict__ y, double* __restrict__ partial,
                  int kind, int outer, int middle, int inner, int pieces) {
  __shared__ double scratch[256];
  int at = blockIdx.x / pieces, piece = blockIdx.x % pieces, t = threadIdx.x;
  int length = (middle + pieces - 1) / pieces;
  int begin = piece * length * inner, end = min(middle, (piece + 1) * length) * inner;
  int active = 256 / inner * inner;  // so that a thread's elements are of one column
  double v = nothing(kind);
  if (t < active)
    for (int e = begin + t; e < end; e += active) v = join(kind, v, x[at * middle * inner + e]);
  scratch[t] = v;
  for (int half = 128; half; half /= 2) {  // thread t joins t + half columns' worth: same column
    __syncthreads();
    if (t < half * inner && t + half * inner < active)
      scratch[t] = join(kind, scratch[t], scratch[t + half * inner]);
  }
  __syncthreads();
  if (t < inner) leave(scratch[t], y, partial, at, piece, t, pieces, inner);
}

// A thread an output and piece; blockIdx.y is the piece.
TG_KERNEL __launch_bounds__(256)
    reduce_threads(const float* __restrict__ x, float* __restrict__ y, double* __restrict__ partial,
                   int kind, int outer, int middle, int inner, int pieces) {
  int k = static_cast<int>(global_thread());
  if (k >= outer * inner) return;
  int at = k / inner, i = k % inner, piece = blockIdx.y, length = (middle + pieces - 1) / pieces;
  int end = min(middle, (piece + 1) * length);
  double v = nothing(kind);
  for (int m = piece * length; m < end; ++m) v = join(kind, v, x[(at * middle + m) * inner + i]);
  leave(v, y, partial, at, piece, i, pieces, inner);
}

// partial (outer, pieces, inner) -> y (outer, inner), the pieces from the first to the last.
TG_KERNEL __launch_bounds__(256)
    reduce_pieces(const double* __restrict__ partial, float* __restrict__ y, int kind, int outer,
                  int inner, int pieces) {
  int k = static_cast<int>(global_thread());
  if (k >= outer * inner) return;
  double v = nothing(kind);
  for (int p = 0; p < pieces; ++p)
    v = join(kind, v, partial[(k / inner * pieces + p) * inner + k % inner]);
  y[k] = static_cast<float>(v);
}
