// conv2d and conv2d_dgrad by Winograd's algorithm: fewer multiplications, of transformed tiles.
//
//   conv2d         V = B^T x B      M[point] = V[point] U[point]         y  = A^T M A
//   conv2d_dgrad   V = A gy A^T     M[point] = V[point] U[point]^T       gx = B M B^T, overlapping
//                  with U = G w G^T in both; see kernels/conv2d/winograd.py for the matrices.
//
// A 4 x 4 kernel of stride 2 is four phases of 2 x 2 kernels, which become a deeper sum: V's depth
// is (phase, input channel) in conv2d, and M's columns are (phase, input channel) in dgrad. At F(4,
// 2) 25 products do the work of 64, at F(4, 3) 36 of 144; what is left are t x t matrix products
// M[point] (tiles, columns) = V[point] (tiles, depth) x U[point] (depth, columns).
//
// Mapping. Units of whole images are staged: first all threads transform a stage's images into V,
// which stays in L3 (kStageBytes). Then a task is one unit and one group of columns: for chunks of
// the depth it transforms the weights into U, multiplies all points and adds to M, both of which
// stay in L2; at last it maps M's tiles back. Transforming the weights anew for each block of tiles
// costs 2 to 4 % of the products, and saves streaming U, 25/4 times the weights, from memory.
//
// Traffic, per multiply-add of a full register tile: 1/kRows loads of U (L1, L2) and
// 1/(kVectors lanes) broadcasts of V (L1).
//
// Determinism. Which tiles make a block, how the depth is cut and the order of overlapping tiles
// depend on the shape alone; units do not overlap. So the bits do not depend on the number of
// threads. A NaN stays within the tiles that see it.
//
// Tails. Channels are filled up to whole vectors with zeros; register tiles have as many rows as
// there are; pixels outside read as zeros and are not stored. Reference:
// kernels/conv2d/reference.py.

#include "winograd_plan.hpp"

namespace TG_ISA {
namespace {

struct Plan {
  Tiling g;
  ConvArgs args;
  bool back;                          // dgrad
  long depth, columns;                // channel blocks of V, and of M
  long group, groups, chunk, chunks;  // column blocks of a task; depth blocks at a time
  long v_point, u_point, m_point;     // floats from point to point
  long stage;                         // units at a time
  Packing w;
  float *v, *u, *m;
  bool covered;  // tiles reach every pixel of gx
};

template <class F>
Plan plan_of(const ConvArgs& args) {
  Plan p = {tiling_of<F>(args), args, args.pass == CONV_DGRAD};
  const Tiling& g = p.g;
  p.depth = p.back ? g.y_blocks : g.phases * g.x_blocks;
  p.columns = p.back ? g.phases * g.x_blocks : g.y_blocks;
  p.groups = ceil_div(p.columns, kGroupColumns / kLanesF), p.group = ceil_div(p.columns, p.groups);
  p.chunks = ceil_div(p.depth, kChunkDepth / kLanesF), p.chunk = ceil_div(p.depth, p.chunks);
  p.v_point = point_size(g, p.depth), p.m_point = point_size(g, p.group);
  p.u_point = (p.group * p.chunk * kLanesF + 1) * kLanesF;
  const long unit_bytes = g.parts * g.points * p.v_point * (long)sizeof(float);
  p.stage = max_of(1, min_of(g.units, kStageBytes / unit_bytes));
  p.w = packing_of(args, p.back);
  const long rows = g.tiles / g.tiles_w * F::m + F::r - 1, cols = g.tiles_w * F::m + F::r - 1;
  p.covered = (g.H - 1 + g.pad_h) / g.stride < rows && (g.W - 1 + g.pad_w) / g.stride < cols;
  return p;
}

size_t carve(Plan& p, void* workspace) {
  Carver carver = {(char*)workspace, 0};
  p.w.to = carver.take<float>(p.g.R * p.g.S * p.w.plane());
  p.v = carver.take<float>(p.stage * p.g.parts * p.g.points * p.v_point);
  p.u = carver.take<float>(p.args.slots * p.g.points * p.u_point);
  p.m = carver.take<float>(p.args.slots * p.g.points * p.m_point);
  return carver.used;
}

// U of depth blocks [first, last) and the column blocks [column, column + columns): G w G^T.
template <class F>
void transform_weights(const Plan& p, long first, long last, long column, long columns, float* u) {
  const Tiling& g = p.g;
  for (long k = first; k < last; ++k)
    for (long j = 0; j < columns; ++j) {
      const long at = p.back ? column + j : k;  // which of the two has the phases
      long offset[F::r * F::r];
      taps_of<F>(g, p.w, at / g.x_blocks, offset);
      const long row = p.back ? k : k % g.x_blocks;
      const long block = p.back ? at % g.x_blocks : column + j;
      const float* from = p.w.to + row * kLanesF * p.w.width + block * kLanesF;
      float* to = u + (j * p.chunk + k - first) * kLanesF * kLanesF;
      for (long i = 0; i < kLanesF; ++i, from += p.w.width, to += kLanesF) {
        VF filter[F::r][F::r];
#pragma GCC unroll 9
        for (int t = 0; t < F::r * F::r; ++t)
          filter[t / F::r][t % F::r] = offset[t] < 0 ? VF{} : load(from + offset[t]);
        to_points<AS_IS>(F::g, filter, to, p.u_point);
      }
    }
}

// m (ROWS, NV blocks) (+)= v (ROWS, depth) x u (depth, NV blocks), with `blocks` blocks of depth.
template <int ROWS, int NV>
void product(bool first, long blocks, const float* v, long v_step, const float* u, long u_step,
             float* m, long m_step) {
  VF acc[ROWS][NV] = {};
  for (long b = 0; b < blocks; ++b, v += v_step)
#pragma GCC unroll 2
    for (long k = 0; k < kLanesF; ++k, u += kLanesF) {
      VF column[NV];
#pragma GCC unroll 2
      for (int j = 0; j < NV; ++j) column[j] = load(u + j * u_step);
#pragma GCC unroll 16
      for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
        for (int j = 0; j < NV; ++j) acc[i][j] += v[i * kLanesF + k] * column[j];
    }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) {
      float* to = m + j * m_step + i * kLanesF;
      store(to, first ? acc[i][j] : load(to) + acc[i][j]);
    }
}

template <int NV, int ROWS = kRows>
void product_of(long rows, bool first, long blocks, const float* v, long v_step, const float* u,
                long u_step, float* m, long m_step) {
  if (rows == ROWS) return product<ROWS, NV>(first, blocks, v, v_step, u, u_step, m, m_step);
  if constexpr (ROWS > 1)
    product_of<NV, ROWS - 1>(rows, first, blocks, v, v_step, u, u_step, m, m_step);
}

// M (+)= V U at all points, for a chunk of the depth: `tiles` rows, `columns` column blocks.
void multiply(const Plan& p, bool first, long tiles, long blocks, long columns, const float* v,
              const float* u, float* m) {
  const long v_step = p.g.nb * kLanesF, u_step = p.chunk * kLanesF * kLanesF;
  const long parts = ceil_div(tiles, kRows);
  for (long point = 0; point < p.g.points; ++point, v += p.v_point, u += p.u_point, m += p.m_point)
    for (long j = 0; j < columns; j += kVectors)
      for (long part = 0; part < parts; ++part) {
        const long row = tiles * part / parts, rows = tiles * (part + 1) / parts - row;
        float* to = m + (j * p.g.nb + row) * kLanesF;
        const auto tile = j + 1 < columns ? &product_of<2> : &product_of<1>;
        tile(rows, first, blocks, v + row * kLanesF, v_step, u + j * u_step, u_step, to, v_step);
      }
}

// y = A^T M A of the tiles of a block, column blocks [column, column + columns).
template <class F>
void write_y(const Plan& p, TileBlock block, long column, long columns, const float* m) {
  for (long i = 0; i < block.count; ++i) {
    const Patch at = patch_of_y<F>(p.g, p.args, place_of(p.g, block.first + i));
    for (long j = 0; j < columns; ++j) {
      VF out[F::m][F::m];
      from_points<TURNED>(F::a, m + (j * p.g.nb + i) * kLanesF, p.m_point, out);
      const long channel = (column + j) * kLanesF, left = p.g.O - channel;
      float* y = (float*)p.args.y + at.first + channel;
      for (long h = 0; h < at.bottom; ++h)
        for (long w = 0; w < at.right; ++w) {
          float* pixel = y + h * at.row + w * at.pixel;
          left >= kLanesF ? store(pixel, out[h][w]) : store_first(pixel, out[h][w], left);
        }
    }
  }
}

// gx = B M B^T of the tiles of a block. Tiles of an image come in the order of rows and columns, so
// the first r - 1 rows and columns of a tile were written by its neighbours above and to the left,
// if it has any: there it adds.
template <class F>
void write_x(const Plan& p, TileBlock block, long column, long columns, const float* m) {
  const Tiling& g = p.g;
  for (long i = 0; i < block.count; ++i) {
    const Place place = place_of(g, block.first + i);
    const long met_rows = place.row ? F::r - 1 : 0, met_columns = place.column ? F::r - 1 : 0;
    for (long j = 0; j < columns; ++j) {
      const long phase = (column + j) / g.x_blocks;
      const long channel = (column + j) % g.x_blocks * kLanesF;
      const long left = g.C - channel;
      const Patch at = patch_of_x<F>(g, p.args, place, phase);
      VF out[F::t][F::t];
      from_points<AS_IS>(F::b, m + (j * g.nb + i) * kLanesF, p.m_point, out);
      float* x = (float*)p.args.x + at.first + channel;
      for (long h = at.top; h < at.bottom; ++h)
        for (long w = at.left; w < at.right; ++w) {
          float* pixel = x + h * at.row + w * at.pixel;
          const bool met = h < met_rows || w < met_columns;
          if (left >= kLanesF)
            store(pixel, met ? load(pixel) + out[h][w] : out[h][w]);
          else
            store_first(pixel, met ? load_first(pixel, left) + out[h][w] : out[h][w], left);
        }
    }
  }
}

// One task: a unit and a group of columns. `v` are its transformed tiles.
template <class F>
void run_task(const Plan& p, long unit, long group, const float* v) {
  const long column = p.columns * group / p.groups;
  const long columns = p.columns * (group + 1) / p.groups - column;
  float* u = p.u + tg_thread_index() * p.g.points * p.u_point;
  float* m = p.m + tg_thread_index() * p.g.points * p.m_point;
  for (long part = 0; part < p.g.parts; ++part, v += p.g.points * p.v_point) {
    const TileBlock block = tile_block(p.g, unit, part);
    for (long chunk = 0; chunk < p.chunks; ++chunk) {
      const long first = p.depth * chunk / p.chunks, last = p.depth * (chunk + 1) / p.chunks;
      transform_weights<F>(p, first, last, column, columns, u);
      multiply(p, chunk == 0, block.count, last - first, columns, v + first * p.g.nb * kLanesF, u,
               m);
    }
    p.back ? write_x<F>(p, block, column, columns, m) : write_y<F>(p, block, column, columns, m);
  }
}

// Tiles leave pixels of gx that no output sees: past the last window, or in wide padding.
void clear_x(const Plan& p) {
  const ConvArgs& a = p.args;
  parallel_for(a.N * a.H, 16, [&](long begin, long end) {
    for (long line = begin; line < end; ++line)
      for (long w = 0; w < a.W; ++w)
        memset((float*)a.x + line / a.H * a.x_n + line % a.H * a.x_h + w * a.x_w, 0,
               (size_t)a.C * sizeof(float));
  });
}

template <class F>
void run(const ConvArgs& args, void* workspace) {
  Plan p = plan_of<F>(args);
  carve(p, workspace);
  pack_weights(args, p.w);
  if (p.back && !p.covered) clear_x(p);
  const long block_size = p.g.points * p.v_point;
  for (long first = 0; first < p.g.units; first += p.stage) {
    const long last = min_of(p.g.units, first + p.stage);
    transform_units<F>(p.g, args, !p.back, first, last, block_size, p.v);
    // groups of one unit in a row: they share its tiles
    parallel_for_on(args.slots, (last - first) * p.groups, 1, [&](long begin, long end) {
      for (long task = begin; task < end; ++task) {
        const long unit = task / p.groups;
        run_task<F>(p, first + unit, task % p.groups, p.v + unit * p.g.parts * block_size);
      }
    });
  }
}

template <class F>
size_t bytes(const ConvArgs& args) {
  Plan p = plan_of<F>(args);
  return carve(p, nullptr);
}

}  // namespace

size_t winograd_bytes(const ConvArgs& args, int m) {
  return with_matrices(args, m, [&](auto f) { return bytes<decltype(f)>(args); });
}

void winograd(const ConvArgs& args, int m, void* workspace) {
  with_matrices(args, m, [&](auto f) { run<decltype(f)>(args, workspace); });
}

}  // namespace TG_ISA
