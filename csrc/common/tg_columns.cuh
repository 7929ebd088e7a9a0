// Sums over the rows of a matrix (R, C), a sum a column: the channels of an NHWC activation.
//
// A block of 32 x 8 threads takes 32 neighbouring columns and a run of rows; each row of threads
// reads 32 floats side by side. Where C is small (3 channels of an image), k rows are read as one
// *wide* row of W = k C columns, so that the lanes are full; column w is of channel w % C. Each
// block leaves a partial sum a column, and column_totals adds them: blocks first to last, then the
// k folds of a channel. The order depends on the shape alone, so reruns are bit-equal.
//
//   partial (blocks, W)  ->  total (C,)
#pragma once

#include "common/tg_device.cuh"

enum { kColumns = 32, kRowsAtOnce = 8, kColumnThreads = kColumns * kRowsAtOnce };

// The part of a matrix that one block sums. `n` counts its elements, R * C: the last wide row may
// be short.
struct ColumnTile {
  int column, first_row, end_row, width;
  long long n;

  __device__ ColumnTile(long long n, int width, int rows_a_block)
      : column(blockIdx.x * kColumns + threadIdx.x % kColumns),
        first_row(blockIdx.y * rows_a_block + threadIdx.x / kColumns),
        end_row(0),
        width(width),
        n(n) {
    int rows = static_cast<int>((n + width - 1) / width), end = (blockIdx.y + 1) * rows_a_block;
    end_row = column < width ? min(rows, end) : 0;
  }
  // Index of this thread's element in a wide row, or n where the last one ends before it.
  __device__ long long at(int row) const {
    long long i = static_cast<long long>(row) * width + column;
    return i < n ? i : n;
  }
};

// Add what the eight threads of a column found, and let the first write it to partial (blocks, W).
__device__ __forceinline__ void write_partial(const ColumnTile& tile, float sum, float* scratch,
                                              float* partial) {
  __syncthreads();  // the scratch may still be read from the sum before
  scratch[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x >= kColumns || tile.column >= tile.width) return;
  for (int k = 1; k < kRowsAtOnce; ++k) sum += scratch[k * kColumns + threadIdx.x];
  partial[static_cast<long long>(blockIdx.y) * tile.width + tile.column] = sum;
}
