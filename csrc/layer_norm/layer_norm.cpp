// y = weight * (x - mean) / sqrt(var + eps) + bias, statistics over each row, weight by column.
//
// First pass: threads share rows; a row is looked at twice, for its mean and for the moments about
// it, the second time from the cache. The forward pass then writes the row at once. The vjp writes
// in tiles of the matrix, so that a tile can also sum its columns for gweight and gbias; the sums
// of tiles that lie below each other are added in order at the end. Tiles depend on the shape
// alone, and so do the bits. All arithmetic is double. Traffic (float): 12 bytes an element forward
// while a row fits the cache, 20 in the vjp.
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

// Call body(i, n) for every group of n <= kLanesD elements of a span.
template <class Body>
TG_INLINE void for_each_lanes(long size, const Body& body) {
  long i = 0;
  for (; i + kLanesD <= size; i += kLanesD) body(i, (long)kLanesD);
  if (i < size) body(i, size - i);
}

// Lanes from n on hold no data: make them zero.
TG_INLINE VD keep_first(VD v, long n) {
  for (long k = n; k < kLanesD; ++k) v[k] = 0;
  return v;
}

// gy may be null.
template <class T>
Row row_moments(const LayerNormShape& s, const T* x, const T* gy, const T* weight) {
  VD sum = {}, m2 = {}, wg = {}, wgd = {};
  for_each_lanes(s.width, [&](long i, long n) { sum += load_group(x + i, n); });
  double count = (double)s.width, mean = sum_lanes<double>(sum) / count;
  for_each_lanes(s.width, [&](long i, long n) {
    VD d = keep_first(load_group(x + i, n) - mean, n);
    m2 += d * d;
    if (!gy) return;
    VD g = load_group(gy + i, n) * load_group(weight + i, n);
    wg += g;
    wgd += g * d;
  });
  // one value alone is its own mean: x_hat is 0 whatever x is, and has no slope
  double inv = count > 1 ? 1 / __builtin_sqrt(sum_lanes<double>(m2) / count + s.eps) : 0;
  double lean = -inv * inv * inv * (sum_lanes<double>(wgd) / count);
  return {mean, inv, lean, -inv * (sum_lanes<double>(wg) / count)};
}

long rows_at_once(const LayerNormShape& s) { return max_of(1, kBlockElements / s.width); }

template <class T>
void forward(const LayerNormShape& s, const T* x, const T* weight, const T* bias, T* y) {
  parallel_for(s.rows, rows_at_once(s), [&](long begin, long end) {
    for (long r = begin; r < end; ++r) {
      const T* from = x + r * s.width;
      T* to = y + r * s.width;
      Row row = row_moments<T>(s, from, nullptr, weight);
      for_each_lanes(s.width, [&](long i, long n) {
        VD x_hat = (load_group(from + i, n) - row.mean) * row.inv_std;
        store_group(to + i, x_hat * load_group(weight + i, n) + load_group(bias + i, n), n);
      });
    }
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
  for (long r = down * t.rows; r < min_of(s.rows, (down + 1) * t.rows); ++r) {
    const Row row = ws.row(r);
    long at = r * s.width + first;
    for_each_lanes(size, [&](long i, long n) {
      VD d = load_group(x + at + i, n) - row.mean, g = load_group(gy + at + i, n);
      VD a = load_group(weight + first + i, n) * row.inv_std;
      store_group(gx + at + i, a * g + (row.lean * d + row.level), n);
      store_group(of_weight + i, load_group(of_weight + i, n) + g * (d * row.inv_std), n);
      store_group(of_bias + i, load_group(of_bias + i, n) + g, n);
    });
  }
}

template <class T>
void vjp(const LayerNormShape& s, const T* x, const T* weight, const T* gy, T* gx, T* gweight,
         T* gbias) {
  Workspace ws(s);
  Tiles t = plan_tiles(s);
  parallel_for(s.rows, rows_at_once(s), [&](long begin, long end) {
    for (long r = begin; r < end; ++r)
      ws.row(r) = row_moments(s, x + r * s.width, gy + r * s.width, weight);
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
