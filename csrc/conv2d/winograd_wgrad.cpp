// conv2d_wgrad by Winograd's algorithm:  gw = G^T [sum over tiles of (B^T x B) (A gy A^T)] G.
//
// For each of the t x t points the sum is a matrix product over tiles,
//
//   S[point] (phase, input channel; output channel) = V[point]^T D[point]
//
// of the transformed x (tiles; phase, input channel) and gy (tiles; output channel), and a point is
// t^2 / (m r)^2 of the multiplications of the plain sum over pixels: 2.6 or 4 times fewer.
//
// Mapping. Units of whole images are staged in L3: all threads transform their x and gy. Then a
// task owns some depth blocks by some column blocks of S at all points. Register tiles of kSumRows
// channels of x by two blocks of gy's run over the tiles of a block, then S grows by them. After
// the last stage it maps S back to r x r taps, in packed weights, which are written to w at the
// end.
//
// Traffic, per multiply-add of a full register tile: 1/kSumRows loads of D and 1/(2 lanes)
// broadcasts of V, both from L1 or L2.
//
// Determinism. A sum runs over the tiles of a block in registers and over blocks in order; both
// depend on the shape alone, so the bits do not depend on the number of threads or on the stages.
//
// Tails. Channels are filled up to whole vectors with zeros. Reference:
// kernels/conv2d/reference.py.

#include "winograd_plan.hpp"

namespace TG_ISA {
namespace {

constexpr long kSumRows = kLanesF > 8 ? 8 : 4;  // channels of x in a register tile; divides lanes
constexpr long kSumBlocks = 64 / kLanesF;       // depth and column blocks of a task: 64 channels
constexpr long kSumStage = 24L << 20;           // bytes of transformed images at a time

struct Plan {
  Tiling g;
  ConvArgs args;
  long depth;                      // blocks of (phase, input channel)
  long row_groups, column_groups;  // tasks
  long rows, columns;              // of the largest, in blocks
  long x_point, y_point, s_point, s_size;
  long stage;
  bool once;  // one stage sees all tiles: then S is scratch of a thread
  Packing w;
  float *x, *y, *s;
};

template <class F>
Plan plan_of(const ConvArgs& args) {
  Plan p = {tiling_of<F>(args), args};
  const Tiling& g = p.g;
  p.depth = g.phases * g.x_blocks;
  p.row_groups = ceil_div(p.depth, kSumBlocks), p.column_groups = ceil_div(g.y_blocks, kSumBlocks);
  p.rows = ceil_div(p.depth, p.row_groups), p.columns = ceil_div(g.y_blocks, p.column_groups);
  p.x_point = point_size(g, p.depth), p.y_point = point_size(g, g.y_blocks);
  p.s_point = (p.rows * kLanesF * p.columns + 1) * kLanesF, p.s_size = g.points * p.s_point;
  const long unit = g.parts * g.points * (p.x_point + p.y_point) * (long)sizeof(float);
  p.stage = max_of(1, min_of(g.units, kSumStage / unit));
  p.once = p.stage == g.units;
  p.w = packing_of(args, false);
  return p;
}

size_t carve(Plan& p, void* workspace) {
  Carver carver = {(char*)workspace, 0};
  const long blocks = p.stage * p.g.parts, points = p.g.points;
  const long tasks = p.once ? p.args.slots : p.row_groups * p.column_groups;
  p.w.to = carver.take<float>(p.g.R * p.g.S * p.w.plane());
  p.x = carver.take<float>(blocks * points * p.x_point);
  p.y = carver.take<float>(blocks * points * p.y_point);
  p.s = carver.take<float>(tasks * p.s_size);
  return carver.used;
}

// s (kSumRows, NV blocks) (+)= sum over tiles of x (kSumRows) y (NV blocks).
template <int NV>
void product(bool first, long tiles, const float* x, const float* y, long y_step, float* s,
             long s_step) {
  VF acc[kSumRows][NV] = {};
#pragma GCC unroll 2
  for (; tiles > 0; --tiles, x += kLanesF, y += kLanesF) {
    VF column[NV];
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) column[j] = load(y + j * y_step);
#pragma GCC unroll 8
    for (int i = 0; i < kSumRows; ++i)
#pragma GCC unroll 2
      for (int j = 0; j < NV; ++j) acc[i][j] += x[i] * column[j];
  }
#pragma GCC unroll 8
  for (int i = 0; i < kSumRows; ++i, s += s_step)
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j)
      store(s + j * kLanesF, first ? acc[i][j] : load(s + j * kLanesF) + acc[i][j]);
}

// What a task sums: `rows` blocks of the depth from `row`, `columns` column blocks from `column`.
struct Task {
  long row, rows, column, columns;
};

Task task_at(const Plan& p, long index) {
  const long i = index / p.column_groups, j = index % p.column_groups, all = p.g.y_blocks;
  const long row = p.depth * i / p.row_groups, column = all * j / p.column_groups;
  return {row, p.depth * (i + 1) / p.row_groups - row, column,
          all * (j + 1) / p.column_groups - column};
}

// Add a block of tiles to S at all points. Two column blocks of y stay in L1 while those of x pass,
// each of them read from L2 once for its rows.
void add_block(const Plan& p, const Task& of, bool first, long tiles, const float* x,
               const float* y, float* s) {
  const long block = p.g.nb * kLanesF, s_step = p.columns * kLanesF;
  x += of.row * block, y += of.column * block;
  for (long point = 0; point < p.g.points; ++point, x += p.x_point, y += p.y_point, s += p.s_point)
    for (long j = 0; j < of.columns; j += 2) {
      const auto tile = j + 1 < of.columns ? &product<2> : &product<1>;
      for (long i = 0; i < of.rows * kLanesF; i += kSumRows) {
        const float* channels = x + i / kLanesF * block + i % kLanesF;
        tile(first, tiles, channels, y + j * block, block, s + i * s_step + j * kLanesF, s_step);
      }
    }
}

// Packed weights = G^T S G.
template <class F>
void write_taps(const Plan& p, const Task& of, const float* s) {
  for (long i = 0; i < of.rows; ++i) {
    const long phase = (of.row + i) / p.g.x_blocks, block = (of.row + i) % p.g.x_blocks;
    long offset[F::r * F::r];
    taps_of<F>(p.g, p.w, phase, offset);
    for (long lane = 0; lane < kLanesF; ++lane)
      for (long j = 0; j < of.columns; ++j) {
        VF filter[F::r][F::r];
        from_points<TURNED>(F::g, s + ((i * kLanesF + lane) * p.columns + j) * kLanesF, p.s_point,
                            filter);
        float* to = p.w.to + (block * kLanesF + lane) * p.w.width + (of.column + j) * kLanesF;
        for (int t = 0; t < F::r * F::r; ++t)
          if (offset[t] >= 0) store(to + offset[t], filter[t / F::r][t % F::r]);
      }
  }
}

// w (O, C, R, S) = packed (tap, c, o), by blocks as they were packed.
void unpack(const Plan& p) {
  const ConvArgs& a = p.args;
  const long taps = a.R * a.S, plane = p.w.plane();
  const long in_blocks = dense_weights(a) ? a.O / kLanesF * kLanesF : 0;
  parallel_for(a.C, kLanesF, [&](long begin, long end) {
    long e = begin * taps;
    const long until = in_blocks ? end * taps / kLanesF * kLanesF : e;
    for (; e < until; e += kLanesF)
      for (long o = 0; o < in_blocks; o += kLanesF) {
        const float* from[kLanesF];
        float* to[kLanesF];
        for (long i = 0; i < kLanesF; ++i) {
          from[i] = p.w.to + (e + i) % taps * plane + (e + i) / taps * p.w.width + o;
          to[i] = (float*)a.w + (o + i) * a.w_o + e;
        }
        transpose(from, to);
      }
    for (long at = begin * taps; at < end * taps; ++at) {
      const long c = at / taps, tap = at % taps;
      float* w = (float*)a.w + c * a.w_c + tap / a.S * a.w_r + tap % a.S * a.w_s;
      for (long o = at < until ? in_blocks : 0; o < a.O; ++o)
        w[o * a.w_o] = p.w.to[tap * plane + c * p.w.width + o];
    }
  });
}

template <class F>
void run(const ConvArgs& args, void* workspace) {
  Plan p = plan_of<F>(args);
  carve(p, workspace);
  const long x_size = p.g.points * p.x_point, y_size = p.g.points * p.y_point;
  for (long first = 0; first < p.g.units; first += p.stage) {
    const long last = min_of(p.g.units, first + p.stage);
    transform_units<F>(p.g, args, true, first, last, x_size, p.x);
    transform_units<F>(p.g, args, false, first, last, y_size, p.y);
    parallel_for_on(args.slots, p.row_groups * p.column_groups, 1, [&](long begin, long end) {
      for (long task = begin; task < end; ++task) {
        const Task of = task_at(p, task);
        float* s = p.s + (p.once ? tg_thread_index() : task) * p.s_size;
        for (long block = 0; block < (last - first) * p.g.parts; ++block) {
          const TileBlock tiles = tile_block(p.g, first + block / p.g.parts, block % p.g.parts);
          add_block(p, of, first + block == 0, tiles.count, p.x + block * x_size,
                    p.y + block * y_size, s);
        }
        if (last == p.g.units) write_taps<F>(p, of, s);
      }
    });
  }
  unpack(p);
}

template <class F>
size_t bytes(const ConvArgs& args) {
  Plan p = plan_of<F>(args);
  return carve(p, nullptr);
}

}  // namespace

size_t winograd_wgrad_bytes(const ConvArgs& args, int m) {
  return with_matrices(args, m, [&](auto f) { return bytes<decltype(f)>(args); });
}

void winograd_wgrad(const ConvArgs& args, int m, void* workspace) {
  with_matrices(args, m, [&](auto f) { run<decltype(f)>(args, workspace); });
}

}  // namespace TG_ISA
