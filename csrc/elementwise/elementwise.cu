// y = f(a) or f(a, b), one of a closed set of functions, on operands that broadcast.
// Reference: kernels/elementwise/reference.py, the ufuncs of the array library.
//
// Which function is an argument, not a compile-time choice: the branch is the same in every thread
// and costs nothing beside a trip to memory. So one kernel serves the whole set, and nothing is
// compiled while a model trains. A chain of such ops is not fused here: where a chain is long and
// common it has an op of its own (bias_act, batch_norm, gan_loss, adam).
//
// elementwise_flat: operands that lie in memory as y does, or hold one number. Four floats a thread
// and stride where addresses allow. elementwise_strided: any strides, 0 where an axis is stretched;
// y is dense in the order of the loop. Traffic: each operand read once, y written once.
#include "common/tg_device.cuh"

enum { kAxes = 6 };

struct TgBroadcast {  // extents of y and strides of the operands, outermost first, in elements
  int extent[kAxes], a[kAxes], b[kAxes];
};
static_assert(sizeof(TgBroadcast) == 72, "kernels/elementwise/cuda.py packs it");

// the order of FUNCTIONS in tinygan/kernels/elementwise/spec.py
enum TgFunction {
  ADD,
  SUBTRACT,
  MULTIPLY,
  DIVIDE,
  MAXIMUM,
  MINIMUM,
  POWER,
  NEGATIVE,
  ABSOLUTE,
  SIGN,
  SQUARE,
  SQRT,
  EXP,
  EXPM1,
  LOG,
  LOG1P,
  TANH
};

__device__ __forceinline__ float apply(int f, float a, float b) {
  switch (f) {
    case ADD:
      return a + b;
    case SUBTRACT:
      return a - b;
    case MULTIPLY:
      return a * b;
    case DIVIDE:
      return a / b;
    case MAXIMUM:  // a NaN of either operand stays
      return a >= b || a != a ? a : b;
    case MINIMUM:
      return a <= b || a != a ? a : b;
    case POWER:
      return powf(a, b);
    case NEGATIVE:
      return -a;
    case ABSOLUTE:
      return fabsf(a);
    case SIGN:
      return a > 0 ? 1.0f : (a < 0 ? -1.0f : a);
    case SQUARE:
      return a * a;
    case SQRT:
      return sqrtf(a);
    case EXP:
      return expf(a);
    case EXPM1:
      return expm1f(a);
    case LOG:
      return logf(a);
    case LOG1P:
      return log1pf(a);
    default:
      return tanhf(a);
  }
}

// stride_a and stride_b are 1, or 0 for an operand of one number.
TG_KERNEL __launch_bounds__(256)
    elementwise_flat(const float* __restrict__ a, const float* __restrict__ b,
                     float* __restrict__ y, int n, int function, int stride_a, int stride_b) {
  int i = static_cast<int>(global_thread()), stride = static_cast<int>(global_threads());
  if (stride_a && by_four(a) && by_four(y) && (!stride_b || by_four(b))) {
    const float4 *a4 = reinterpret_cast<const float4*>(a), *b4 = reinterpret_cast<const float4*>(b);
    float4* y4 = reinterpret_cast<float4*>(y);
    float only = stride_b ? 0.0f : *b;
    for (int k = i; k < n / 4; k += stride) {
      float4 u = a4[k], v = stride_b ? b4[k] : make_float4(only, only, only, only);
      y4[k] = make_float4(apply(function, u.x, v.x), apply(function, u.y, v.y),
                          apply(function, u.z, v.z), apply(function, u.w, v.w));
    }
    i += n / 4 * 4;
  }
  for (; i < n; i += stride) y[i] = apply(function, a[i * stride_a], b[i * stride_b]);
}

TG_KERNEL __launch_bounds__(256)
    elementwise_strided(const float* __restrict__ a, const float* __restrict__ b,
                        float* __restrict__ y, int n, int function, TgBroadcast shape) {
  int stride = static_cast<int>(global_threads());
  for (int i = static_cast<int>(global_thread()); i < n; i += stride) {
    int rest = i, at_a = 0, at_b = 0;
#pragma unroll
    for (int axis = kAxes - 1; axis >= 0; --axis) {
      int next = rest / shape.extent[axis], here = rest - next * shape.extent[axis];
      at_a += here * shape.a[axis];
      at_b += here * shape.b[axis];
      rest = next;
    }
    y[i] = apply(function, a[at_a], b[at_b]);
  }
}
