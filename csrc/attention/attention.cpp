// y = p v with p = softmax(scale q k^T), of every item of a batch, and the cotangents of q, k, v:
//
//     gv = p^T gy     gp = gy v^T     gs = p * (gp - sum gp * p)     gq = scale gs k
//                                                                    gk = scale gs^T q
//
// Mapping. The L x S weights of an item are never all in memory: a block of queries has its scores
// in a scratch of the thread (at most kBlock entries, in the L2 cache), where they become weights
// row by row (../softmax/rows.hpp) and meet v. A task of the forward pass is a block, one of the
// vjp an item, whose blocks add to gk and gv one after another; it makes the weights again, which
// costs one product and saves L S numbers of memory for every item. The products are
// csrc/matmul's, serial inside a task; where there is one task alone they share the threads.
//
// Traffic: the operands and results once each; the sums of p v run over S in one go. Blocks depend
// on the shape alone, and so do the bits. Tails: those of the products and of the rows.
// Reference: kernels/attention/reference.py.
#include "attention.hpp"

#include "../common/parallel.hpp"
#include "../common/tiles.hpp"
#include "../matmul/matmul.hpp"
#include "../softmax/rows.hpp"

namespace TG_ISA {
namespace {

constexpr long kBlock = 65536;  // scores of a block of queries: 256 KB of floats
constexpr long kRowsAtOnce = 16;

// A matrix as an operand of a product: rows lie `row` elements apart, columns `column`.
template <class T>
struct Matrix {
  const T* at;
  long row, column;
};

template <class T>
Matrix<T> transposed(Matrix<T> a) {
  return {a.at, a.column, a.row};
}

// Multiplies; or, for a null workspace, finds out what the largest of its products needs.
struct Products {
  void* workspace;
  size_t most;

  // c (M, N), in C order, = a (M, K) b (K, N).
  template <class T>
  void multiply(Matrix<T> a, Matrix<T> b, T* c, long M, long N, long K) {
    const Matmul s = {sizeof(T) == 8, a.at, b.at, c, M, N, K, a.row, a.column, b.row, b.column};
    if (workspace) return matmul(s, workspace);
    const size_t bytes = matmul_bytes(s);
    most = bytes > most ? bytes : most;
  }
};

// What a thread works in: scores of a block; for the vjp weights beside them, and a part of gk or
// gv.
template <class T>
struct Scratch {
  T *scores, *weights, *part;
  Products products;
};

// Queries of a block, but for the last.
long block_rows(const Attention& s) { return min_of(s.L, max_of(kBlock / s.S, 1)); }

template <class T>
Scratch<T> carve(const Attention& s, bool vjp, size_t most, Carver& carver) {
  Scratch<T> p = {};
  p.scores = carver.take<T>(block_rows(s) * s.S);
  p.weights = carver.take<T>(vjp ? block_rows(s) * s.S : 0);
  p.part = carver.take<T>(vjp ? s.S * max_of(s.E, s.F) : 0);
  p.products = {carver.take<char>((long)most), 0};
  return p;
}

// The operands and results of one item, from one query on.
template <class T>
struct Block {
  long rows;
  Matrix<T> q, k, v, gy;
  T *y, *gq, *gk, *gv;
  bool first;  // of its item: gk and gv are written, and not added to
};

// p.scores = softmax(scale q k^T)
template <class T>
void weigh(const Attention& s, const Block<T>& o, Scratch<T>& p) {
  p.products.multiply(o.q, transposed(o.k), p.scores, o.rows, s.S, s.E);
  if (!p.products.workspace) return;
  parallel_for(o.rows, kRowsAtOnce, [&](long begin, long end) {
    for (long r = begin; r < end; ++r) {
      row_scale(p.scores + r * s.S, s.S, (T)s.scale);
      row_softmax(p.scores + r * s.S, s.S, p.scores + r * s.S);
    }
  });
}

template <class T>
void forward_block(const Attention& s, const Block<T>& o, Scratch<T>& p) {
  weigh(s, o, p);
  p.products.multiply({p.scores, s.S, 1}, o.v, o.y, o.rows, s.F, s.S);
}

// to (S, width) = or += a^T b of the queries of a block.
template <class T>
void collect(const Attention& s, const Block<T>& o, Scratch<T>& p, const T* a, Matrix<T> b, T* to,
             long width) {
  const Matrix<T> across = {a, 1, s.S};
  p.products.multiply(across, b, o.first ? to : p.part, s.S, width, o.rows);
  if (o.first || !p.products.workspace) return;
  for_each_vector<T>(s.S * width, [&](long i, long n, int) {
    store_some(to + i, load_or(to + i, n, (T)0) + load_or(p.part + i, n, (T)0), n);
  });
}

template <class T>
void vjp_block(const Attention& s, const Block<T>& o, Scratch<T>& p) {
  weigh(s, o, p);
  collect(s, o, p, p.scores, o.gy, o.gv, s.F);
  p.products.multiply(o.gy, transposed(o.v), p.weights, o.rows, s.S, s.F);
  if (p.products.workspace)
    parallel_for(o.rows, kRowsAtOnce, [&](long begin, long end) {
      for (long at = begin * s.S; at < end * s.S; at += s.S) {
        const T shift = row_dot(p.scores + at, p.weights + at, s.S);
        row_softmax_vjp(p.scores + at, p.weights + at, s.S, shift, p.weights + at);
        row_scale(p.weights + at, s.S, (T)s.scale);
      }
    });
  p.products.multiply({p.weights, s.S, 1}, o.k, o.gq, o.rows, s.E, s.S);
  collect(s, o, p, p.weights, o.q, o.gk, s.E);
}

// Block `i` of item `b`; null pointers stay so.
template <class T>
Block<T> block_of(const Attention& s, long b, long i, const T* gy, T* y, T* gq, T* gk, T* gv) {
  const long first = i * block_rows(s), query = b * s.L + first;
  const auto moved = [](auto* p, long by) { return p ? p + by : p; };
  Block<T> o = {};
  o.rows = min_of(block_rows(s), s.L - first), o.first = i == 0;
  o.q = {(const T*)s.q + query * s.E, s.E, 1};
  o.k = {(const T*)s.k + b * s.S * s.E, s.E, 1};
  o.v = {(const T*)s.v + b * s.S * s.F, s.F, 1};
  o.gy = {moved(gy, query * s.F), s.F, 1};
  o.y = moved(y, query * s.F), o.gq = moved(gq, query * s.E);
  o.gk = moved(gk, b * s.S * s.E), o.gv = moved(gv, b * s.S * s.F);
  return o;
}

long blocks_of(const Attention& s) { return ceil_div(s.L, block_rows(s)); }

// Bytes that the products of a full block and of the last one need.
template <class T>
size_t product_bytes(const Attention& s, bool vjp) {
  Scratch<T> p = {};
  const long last = blocks_of(s) - 1;
  for (long i = 0; i <= last; i += max_of(last, 1)) {
    const Block<T> o = block_of<T>(s, 0, i, nullptr, nullptr, nullptr, nullptr, nullptr);
    vjp ? vjp_block(s, o, p) : forward_block(s, o, p);
  }
  return p.products.most;
}

template <class T>
size_t bytes_of(const Attention& s, bool vjp) {
  Carver carver = {nullptr, 0};
  carve<T>(s, vjp, product_bytes<T>(s, vjp), carver);
  return carver.used * (size_t)s.slots;
}

// Call body(task, scratch) for tasks 0 .. count - 1.
template <class T, class Body>
void each_task(const Attention& s, bool vjp, long count, const Body& body) {
  const size_t most = product_bytes<T>(s, vjp), slot = bytes_of<T>(s, vjp) / (size_t)s.slots;
  parallel_for_on(s.slots, count, 1, [&](long begin, long end) {
    Carver carver = {(char*)s.workspace + slot * (size_t)tg_thread_index(), 0};
    Scratch<T> p = carve<T>(s, vjp, most, carver);
    for (long task = begin; task < end; ++task) body(task, p);
  });
}

template <class T>
void forward(const Attention& s, T* y) {
  const long blocks = blocks_of(s);
  each_task<T>(s, false, s.B * blocks, [&](long task, Scratch<T>& p) {
    const T* none = nullptr;
    forward_block(
        s, block_of<T>(s, task / blocks, task % blocks, none, y, nullptr, nullptr, nullptr), p);
  });
}

template <class T>
void vjp(const Attention& s, const T* gy, T* gq, T* gk, T* gv) {
  each_task<T>(s, true, s.B, [&](long b, Scratch<T>& p) {
    for (long i = 0; i < blocks_of(s); ++i)
      vjp_block(s, block_of<T>(s, b, i, gy, nullptr, gq, gk, gv), p);
  });
}

}  // namespace

size_t attention_bytes(const Attention& s) {
  return s.is_double ? bytes_of<double>(s, false) : bytes_of<float>(s, false);
}
size_t attention_vjp_bytes(const Attention& s) {
  return s.is_double ? bytes_of<double>(s, true) : bytes_of<float>(s, true);
}

void attention(const Attention& s, void* y) {
  s.is_double ? forward<double>(s, (double*)y) : forward<float>(s, (float*)y);
}

void attention_vjp(const Attention& s, const void* gy, void* gq, void* gk, void* gv) {
  if (s.is_double) return vjp<double>(s, (const double*)gy, (double*)gq, (double*)gk, (double*)gv);
  vjp<float>(s, (const float*)gy, (float*)gq, (float*)gk, (float*)gv);
}

}  // namespace TG_ISA
