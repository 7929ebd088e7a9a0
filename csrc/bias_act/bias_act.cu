// y = clip(act(x + b) * gain, -clamp, clamp), and its vjp. Reference:
// kernels/bias_act/reference.py.
//
// x is a matrix (R, C) of n = R C floats, C innermost; b and the slope a are (C,) or null, and a
// null slope stands for alpha. A negative clamp stands for none.
//
// Traffic: bias_act reads x and writes y, four floats a thread and stride where C is a multiple of
// four and the arrays lie on multiples of 16 bytes. bias_act_vjp reads x and gy and writes gx, and
// sums gb and gslope on the way (tg_columns.cuh).
#include "common/tg_activation.cuh"
#include "common/tg_columns.cuh"

struct Act {
  int act;
  float alpha, gain, clamp;

  __device__ float slope(const float* a, int c) const { return a ? a[c] : alpha; }

  __device__ float forward(float x, float b, float a) const {
    float y = activation(act, x + b, a) * gain;
    if (clamp < 0) return y;
    return y > clamp ? clamp : (y < -clamp ? -clamp : y);  // not fminf: a NaN stays
  }

  // The cotangent of t = x + b, before the derivative: cut where the clamp has cut.
  __device__ float cut(float t, float a, float g) const {
    if (clamp < 0) return g * gain;
    return fabsf(activation(act, t, a) * gain) <= clamp ? g * gain : 0.0f;
  }
};

TG_KERNEL __launch_bounds__(256)
    bias_act(const float* __restrict__ x, const float* __restrict__ b, const float* __restrict__ a,
             float* __restrict__ y, long long n, int channels, int act, float alpha, float gain,
             float clamp) {
  Act f{act, alpha, gain, clamp};
  long long i = global_thread(), stride = global_threads();
  if (channels % 4 == 0 && by_four(x) && by_four(y)) {
    const float4* x4 = reinterpret_cast<const float4*>(x);
    float4* y4 = reinterpret_cast<float4*>(y);
    for (; i < n / 4; i += stride) {
      int c = static_cast<int>(4 * i % channels);
      float4 v = x4[i];
      v.x = f.forward(v.x, b ? b[c] : -0.0f, f.slope(a, c));  // x + -0 is x, also for -0
      v.y = f.forward(v.y, b ? b[c + 1] : -0.0f, f.slope(a, c + 1));
      v.z = f.forward(v.z, b ? b[c + 2] : -0.0f, f.slope(a, c + 2));
      v.w = f.forward(v.w, b ? b[c + 3] : -0.0f, f.slope(a, c + 3));
      y4[i] = v;
    }
    return;
  }
  for (; i < n; i += stride) {
    int c = static_cast<int>(i % channels);
    y[i] = f.forward(x[i], b ? b[c] : -0.0f, f.slope(a, c));
  }
}

// gx, and the partial sums of gb and gslope over wide rows; null: that sum isn't asked for.
TG_KERNEL __launch_bounds__(256)
    bias_act_vjp(const float* __restrict__ x, const float* __restrict__ b,
                 const float* __restrict__ a, const float* __restrict__ gy, float* __restrict__ gx,
                 float* __restrict__ gb_partial, float* __restrict__ gslope_partial, long long n,
                 int channels, int width, int rows_a_block, int act, float alpha, float gain,
                 float clamp) {
  __shared__ float scratch[kColumnThreads];
  Act f{act, alpha, gain, clamp};
  ColumnTile tile(n, width, rows_a_block);
  int c = tile.column % channels;
  float bias = b && tile.column < width ? b[c] : -0.0f;
  float slope = tile.column < width ? f.slope(a, c) : 0.0f;
  float gb = 0, gslope = 0;
  for (int row = tile.first_row; row < tile.end_row; row += kRowsAtOnce) {
    long long i = tile.at(row);
    if (i == n) break;
    float t = x[i] + bias, g = f.cut(t, slope, gy[i]);
    float v = g * activation_slope(act, t, slope);
    gx[i] = v;
    gb += v;
    gslope += g * (t > 0 ? 0.0f : t);  // a NaN of g shows, whatever t
  }
  if (gb_partial) write_partial(tile, gb, scratch, gb_partial);
  if (gslope_partial) write_partial(tile, gslope, scratch, gslope_partial);
}
