// y = w / sigma, sigma = u^T w v; its vjp; power iteration.
//
// All are matrix-vector products, bound by reading w. One sweep over w gives w v (a dot product a
// row), w^T u (a sum of rows, one partial sum a block of rows) and, in the vjp, <gy, w> as well.
// Sums are double. The blocks depend on the shape alone.
#include "spectral_norm.hpp"

#include "../reduce/columns.hpp"

namespace TG_ISA {
namespace {

enum { kMaxRowBlocks = 32 };

long rows_per_block(const SpectralNorm& s) {
  return max_of(max_of(1, kBlockElements / s.columns), ceil_div(s.rows, kMaxRowBlocks));
}

struct Workspace {
  double *dots, *gdots;  // (rows,): w v, and <gy, w> row by row
  double* sums;          // (columns,): w^T u
  double* partial;       // blocks x columns

  explicit Workspace(const SpectralNorm& s) {
    dots = static_cast<double*>(s.workspace);
    gdots = dots + s.rows;
    sums = gdots + s.rows;
    partial = sums + s.columns;
  }
};

// Read each group of kLanesD columns with its count: visit(k, n).
template <class Visit>
TG_INLINE void for_each_column(long columns, const Visit& visit) {
  for_each_group(columns, columns, [&](long k, long, long n) { visit(k, n); });
}

// sum of a[k] * b[k]
template <class T>
double dot(const T* a, const T* b, long n) {
  VD even = {}, odd = {};
  long k = 0;
  for (; k + 2 * kLanesD <= n; k += 2 * kLanesD) {
    even += load_wide(a + k) * load_wide(b + k);
    odd += load_wide(a + k + kLanesD) * load_wide(b + k + kLanesD);
  }
  for_each_column(n - k, [&](long i, long count) {
    even += load_group(a + k + i, count) * load_group(b + k + i, count);
  });
  return sum_lanes<double>(even + odd);
}

// dots = w v
template <class T>
void multiply(const SpectralNorm& s, const T* w, const T* v, double* dots) {
  parallel_for(s.rows, rows_per_block(s), [&](long begin, long end) {
    for (long r = begin; r < end; ++r) dots[r] = dot(w + r * s.columns, v, s.columns);
  });
}

// sums = w^T u
template <class T>
void multiply_transposed(const SpectralNorm& s, const T* w, const T* u, const Workspace& ws) {
  long block = rows_per_block(s), blocks = ceil_div(s.rows, block);
  parallel_for(s.rows, block, [&](long begin, long end) {
    double* sum = ws.partial + begin / block * s.columns;
    fill(sum, s.columns, 0);
    for (long r = begin; r < end; ++r) {
      VD scale = splat((double)u[r]);
      const T* row = w + r * s.columns;
      for_each_column(s.columns, [&](long k, long n) {
        store_group(sum + k, load_group(sum + k, n) + scale * load_group(row + k, n), n);
      });
    }
  });
  parallel_for(s.columns, 512, [&](long begin, long end) {
    for (long k = begin; k < end; ++k) ws.sums[k] = 0;
    for (long b = 0; b < blocks; ++b)
      for (long k = begin; k < end; ++k) ws.sums[k] += ws.partial[b * s.columns + k];
  });
}

template <class T>
double sigma_of(const SpectralNorm& s, const T* u, const double* dots) {
  double sigma = 0;
  for (long r = 0; r < s.rows; ++r) sigma += (double)u[r] * dots[r];
  return sigma;
}

template <class T>
void forward(const SpectralNorm& s, const T* w, const T* u, const T* v, T* y) {
  Workspace ws(s);
  multiply(s, w, v, ws.dots);
  VD scale = splat(1 / sigma_of(s, u, ws.dots));
  parallel_for(s.rows * s.columns, kBlockElements, [&](long begin, long end) {
    for_each_column(end - begin, [&](long k, long n) {
      store_group(y + begin + k, load_group(w + begin + k, n) * scale, n);
    });
  });
}

// gw = gy / sigma + gsigma u v^T, gu = gsigma w v, gv = gsigma w^T u, gsigma = -<gy, w> / sigma^2
template <class T>
void vjp(const SpectralNorm& s, const T* w, const T* u, const T* v, const T* gy, T* gw, T* gu,
         T* gv) {
  Workspace ws(s);
  multiply(s, w, v, ws.dots);
  multiply_transposed(s, w, u, ws);
  parallel_for(s.rows, rows_per_block(s), [&](long begin, long end) {
    for (long r = begin; r < end; ++r)
      ws.gdots[r] = dot(w + r * s.columns, gy + r * s.columns, s.columns);
  });
  double sigma = sigma_of(s, u, ws.dots), inner = 0;
  for (long r = 0; r < s.rows; ++r) inner += ws.gdots[r];
  double gsigma = -inner / (sigma * sigma);
  VD scale = splat(1 / sigma);
  for (long r = 0; r < s.rows; ++r) gu[r] = (T)(gsigma * ws.dots[r]);
  for (long k = 0; k < s.columns; ++k) gv[k] = (T)(gsigma * ws.sums[k]);
  parallel_for(s.rows, rows_per_block(s), [&](long begin, long end) {
    for (long r = begin; r < end; ++r) {
      const T* g = gy + r * s.columns;
      T* out = gw + r * s.columns;
      VD row = splat(gsigma * (double)u[r]);
      for_each_column(s.columns, [&](long k, long n) {
        store_group(out + k, load_group(g + k, n) * scale + row * load_group(v + k, n), n);
      });
    }
  });
}

// out = a / max(|a|, eps)
template <class T>
void normalize(const double* a, long n, double eps, T* out) {
  double norm = __builtin_sqrt(dot(a, a, n));
  if (norm < eps) norm = eps;
  for (long i = 0; i < n; ++i) out[i] = (T)(a[i] / norm);
}

template <class T>
void iterate(const SpectralNorm& s, const T* w, long steps, double eps, T* u, T* v) {
  Workspace ws(s);
  for (long step = 0; step < steps; ++step) {
    multiply_transposed(s, w, u, ws);
    normalize(ws.sums, s.columns, eps, v);
    multiply(s, w, v, ws.dots);
    normalize(ws.dots, s.rows, eps, u);
  }
}

}  // namespace

size_t spectral_norm_workspace(const SpectralNorm& s) {
  long blocks = ceil_div(s.rows, rows_per_block(s));
  return sizeof(double) * (size_t)(2 * s.rows + s.columns * (1 + blocks));
}

void spectral_norm(const SpectralNorm& s, const void* w, const void* u, const void* v, void* y) {
  if (s.is_double)
    return forward(s, (const double*)w, (const double*)u, (const double*)v, (double*)y);
  forward(s, (const float*)w, (const float*)u, (const float*)v, (float*)y);
}

void spectral_norm_vjp(const SpectralNorm& s, const void* w, const void* u, const void* v,
                       const void* gy, void* gw, void* gu, void* gv) {
  if (s.is_double)
    return vjp(s, (const double*)w, (const double*)u, (const double*)v, (const double*)gy,
               (double*)gw, (double*)gu, (double*)gv);
  vjp(s, (const float*)w, (const float*)u, (const float*)v, (const float*)gy, (float*)gw,
      (float*)gu, (float*)gv);
}

void power_iteration(const SpectralNorm& s, const void* w, long steps, double eps, void* u,
                     void* v) {
  if (s.is_double) return iterate(s, (const double*)w, steps, eps, (double*)u, (double*)v);
  iterate(s, (const float*)w, steps, eps, (float*)u, (float*)v);
}

}  // namespace TG_ISA
