// y = weight * (x - mean) / sqrt(var + eps) + bias, statistics over each row, weight by column.
//
// First pass: threads share rows; a row is looked at twice, for its mean and for the moments about
// it, the second time from the cache. The forward pass then writes the row at once. The vjp writes
// in tiles of the matrix, so that a tile can also sum its columns for gweight and gbias, four rows
// at a time; the sums of tiles that lie below each other are added in order at the end. Tiles
// depend on the shape alone, and so do the bits. All arithmetic is double. Traffic (float): 12
// bytes an element forward while a row fits the cache, 20 in the vjp.
#include "layer_norm.hpp"

#include "../reduce/columns.hpp"

namespace TG_ISA {
namespace {

enum { kTileColumns = 1024, kMaxTiles = 64 };

struct Tiles {
  long down, across;   // how many
  long rows, columns;  // of one tile; the last ones are smaller
};

Tiles plan_tiles(const LayerNormShape& s) {
  Tiles t;
  t.columns = min_of(s.width, kTileColumns);
  t.across = ceil_div(s.width, t.columns);
  long down = min_of(ceil_div(s.rows * t.columns, kBlockElements), ceil_div(kMaxTiles, t.across));
  t.rows = ceil_div(s.rows, max_of(down, 1));
  t.down = ceil_div(s.rows, t.rows);
  return t;
}

// What is known of a row: gx = inv_std * weight * gy + lean * (x - mean) + level.
struct Row {
  double mean, inv_std, lean, level;
};

struct Workspace {
  double* rows;     // rows x 4
  double* columns;  // tiles down x 2 x width: sums of gy * x_hat and of gy

  explicit Workspace(const LayerNormShape& s)
      : rows(static_cast<double*>(s.workspace)), columns(rows + 4 * s.rows) {}
  Row& row(long r) const { return reinterpret_cast<Row*>(rows)[r]; }
};

enum { kChains = 4 };  // sums of a row side by side: none waits for the last addition of another

// Call body(i, n, chain) for every group of n <= kLanesD elements of a span; chains take turns.
template <class Body>
TG_INLINE void for_each_lanes(long size, const Body& body) {
  long i = 0;
  for (; i + kChains * kLanesD <= size; i += kChains * kLanesD)
#pragma GCC unroll 4
    for (int k = 0; k < kChains; ++k) body(i + k * kLanesD, (long)kLanesD, k);
  for (; i + kLanesD <= size; i += kLanesD) body(i, (long)kLanesD, 0);
  if (i < size) body(i, size - i, 0);
}

TG_INLINE double sum_chains(const VD* v) {
  return sum_lanes<double>((v[0] + v[1]) + (v[2] + v[3]));
}

// Lanes from n on hold no data: make them zero.
TG_INLINE VD keep_first(VD v, long n) {
  for (long k = n; k < kLanesD; ++k) v[k] = 0;
  return v;
}

// gy is looked at if with_gy.
template <bool with_gy, class T>
TG_INLINE Row row_moments(const LayerNormShape& s, const T* x, const T* gy, const T* weight) {
  VD sum[kChains] = {}, m2[kChains] = {}, wg[kChains] = {}, wgd[kChains] = {};
  for_each_lanes(s.width, [&](long i, long n, int k) { sum[k] += load_group(x + i, n); });
  double count = (double)s.width, mean = sum_chains(sum) / count;
  for_each_lanes(s.width, [&](long i, long n, int k) {
    VD d = keep_first(load_group(x + i, n) - mean, n);
    m2[k] += d * d;
    if constexpr (with_gy) {
      VD g = load_group(gy + i, n) * load_group(weight + i, n);
      wg[k] += g;
      wgd[k] += g * d;
    }
  });
  // one value alone is its own mean: x_hat is 0 whatever x is, and has no slope
  double inv = count > 1 ? 1 / __builtin_sqrt(sum_chains(m2) / count + s.eps) : 0;
  double lean = -inv * inv * inv * (sum_chains(wgd) / count);
  return {mean, inv, lean, -inv * (sum_chains(wg) / count)};
}

long rows_at_once(const LayerNormShape& s) { return max_of(1, kBlockElements / s.width); }

template <class T>
void forward(const LayerNormShape& s, const T* x, const T* weight, const T* bias, T* y) {
  parallel_for(s.rows, rows_at_once(s), [&](long begin, long end) {
    for (long r = begin; r < end; ++r) {
      const T* from = x + r * s.width;
      T* to = y + r * s.width;
      const Row row = row_moments<false>(s, from, from, weight);
      for_each_lanes(s.width, [&](long i, long n, int) {
        VD x_hat = (load_group(from + i, n) - row.mean) * row.inv_std;
        store_group(to + i, x_hat * load_group(weight + i, n) + load_group(bias + i, n), n);
      });
    }
  });
}

// `R` rows of a tile of gx, from element `at` on, and the sums of their columns.
template <int R, class T>
void write_rows(long width, const Row* rows, long size, const T* x, const T* weight, const T* gy,
                T* gx, double* of_weight, double* of_bias) {
  for_each_lanes(size, [&](long i, long n, int) {
    const VD w = load_group(weight + i, n);
    VD gw = load_group(of_weight + i, n), gb = load_group(of_bias + i, n);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const Row row = rows[r];
      const VD d = load_group(x + r * width + i, n) - row.mean;
      const VD g = load_group(gy + r * width + i, n);
      store_group(gx + r * width + i, w * row.inv_std * g + (row.lean * d + row.level), n);
      gw += g * (d * row.inv_std);
      gb += g;
    }
    store_group(of_weight + i, gw, n);
    store_group(of_bias + i, gb, n);
  });
}

// One tile of gx, and the sums of its columns.
template <class T>
void write_tile(const LayerNormShape& s, const Workspace& ws, const Tiles& t, long tile, const T* x,
                const T* weight, const T* gy, T* gx) {
  long down = tile / t.across, first = (tile - down * t.across) * t.columns;
  long size = min_of(t.columns, s.width - first);
  double* of_weight = ws.columns + 2 * s.width * down + first;
  double* of_bias = of_weight + s.width;
  fill(of_weight, size, 0), fill(of_bias, size, 0);
  const long end = min_of(s.rows, (down + 1) * t.rows);
  for (long r = down * t.rows; r < end;) {
    const long at = r * s.width + first;
    const bool four = r + 4 <= end;  // one look at the sums for four rows
    (four ? write_rows<4, T> : write_rows<1, T>)(s.width, &ws.row(r), size, x + at, weight + first,
                                                 gy + at, gx + at, of_weight, of_bias);
    r += four ? 4 : 1;
  }
}

template <class T>
void vjp(const LayerNormShape& s, const T* x, const T* weight, const T* gy, T* gx, T* gweight,
         T* gbias) {
  Workspace ws(s);
  Tiles t = plan_tiles(s);
  parallel_for(s.rows, rows_at_once(s), [&](long begin, long end) {
    for (long r = begin; r < end; ++r)
      ws.row(r) = row_moments<true>(s, x + r * s.width, gy + r * s.width, weight);
  });
  parallel_for(t.down * t.across, 1, [&](long begin, long end) {
    for (long tile = begin; tile < end; ++tile) write_tile(s, ws, t, tile, x, weight, gy, gx);
  });
  parallel_for(s.width, kTileColumns, [&](long begin, long end) {
    for (long j = begin; j < end; ++j) {
      double of_weight = 0, of_bias = 0;
      for (long down = 0; down < t.down; ++down) {
        of_weight += ws.columns[2 * s.width * down + j];
        of_bias += ws.columns[2 * s.width * down + s.width + j];
      }
      gweight[j] = (T)of_weight, gbias[j] = (T)of_bias;
    }
  });
}

}  // namespace

size_t layer_norm_workspace(const LayerNormShape& s) {
  return sizeof(double) * (size_t)(4 * s.rows + 2 * s.width * plan_tiles(s).down);
}

void layer_norm(const LayerNormShape& s, const void* x, const void* weight, const void* bias,
                void* y) {
  if (s.is_double)
    return forward(s, (const double*)x, (const double*)weight, (const double*)bias, (double*)y);
  forward(s, (const float*)x, (const float*)weight, (const float*)bias, (float*)y);
}

void layer_norm_vjp(const LayerNormShape& s, const void* x, const void* weight, const void* gy,
                    void* gx, void* gweight, void* gbias) {
  if (s.is_double)
    return vjp(s, (const double*)x, (const double*)weight, (const double*)gy, (double*)gx,
               (double*)gweight, (double*)gbias);
  vjp(s, (const float*)x, (const float*)weight, (const float*)gy, (float*)gx, (float*)gweight,
      (float*)gbias);
}

}  // namespace TG_ISA
