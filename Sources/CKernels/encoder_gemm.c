// SPDX-License-Identifier: Apache-2.0
// Products with packed weights. A panel holds 16 columns, depth-major, so that one step of the inner loop reads 16
// consecutive weights and one input of each of up to six rows: 12 accumulators of eight lanes. The depth is cut into
// blocks whose panel part stays in the first-level cache while all rows pass over it.
#include "cpu_features.h"
#include "encoder_kernels.h"
#include "encoder_math.h"
#include <string.h>

#define DEPTH_BLOCK 384

size_t forage_packed_f32_size(size_t columns, size_t depth) {
    return (columns + FORAGE_PANEL - 1) / FORAGE_PANEL * FORAGE_PANEL * depth;
}

void forage_pack_f32(const float *weights, size_t ldw, size_t columns, size_t depth, float *packed) {
    for (size_t first = 0; first < columns; first += FORAGE_PANEL)
        for (size_t k = 0; k < depth; k++)
            for (size_t j = 0; j < FORAGE_PANEL; j++)
                *packed++ = first + j < columns ? weights[(first + j) * ldw + k] : 0.0f;
}

static float apply(forage_epilogue epilogue, float x) {
    switch (epilogue) {
    case FORAGE_EPILOGUE_GELU: return forage_gelu_scalar(x);
    case FORAGE_EPILOGUE_TANH: return tanhf(x);
    case FORAGE_EPILOGUE_RELU: return x > 0 ? x : 0;
    default: return x;
    }
}

static void gemm_portable(const float *a, size_t lda, size_t rows, const float *packed, size_t columns, size_t depth,
                          size_t first_panel, size_t last_panel, const float *bias, forage_epilogue epilogue,
                          float *c, size_t ldc) {
    for (size_t panel = first_panel; panel < last_panel; panel++) {
        const float *b = packed + panel * FORAGE_PANEL * depth;
        size_t first = panel * FORAGE_PANEL;
        size_t width = columns - first < FORAGE_PANEL ? columns - first : FORAGE_PANEL;
        for (size_t i = 0; i < rows; i++) {
            float sum[FORAGE_PANEL] = {0};
            for (size_t k = 0; k < depth; k++)
                for (size_t j = 0; j < FORAGE_PANEL; j++) sum[j] += a[i * lda + k] * b[k * FORAGE_PANEL + j];
            for (size_t j = 0; j < width; j++)
                c[i * ldc + first + j] = apply(epilogue, sum[j] + (bias ? bias[first + j] : 0));
        }
    }
}

#if defined(__x86_64__)
FORAGE_AVX2_INLINE __m256 apply8(forage_epilogue epilogue, __m256 x) {
    switch (epilogue) {
    case FORAGE_EPILOGUE_GELU: return forage_gelu8(x);
    case FORAGE_EPILOGUE_TANH: return forage_tanh8(x);
    case FORAGE_EPILOGUE_RELU: return _mm256_max_ps(x, _mm256_setzero_ps());
    default: return x;
    }
}

// One tile of `rows` x 16 over `depth` steps. `from` holds sums of earlier blocks (null: none).
FORAGE_AVX2_INLINE void tile(const float *a, size_t lda, const int rows, const float *b, size_t depth,
                             const float *from, size_t ldfrom, const float *bias, forage_epilogue epilogue, float *c,
                             size_t ldc) {
    __m256 low[6], high[6];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
        low[i] = from ? _mm256_loadu_ps(from + i * ldfrom) : _mm256_setzero_ps();
        high[i] = from ? _mm256_loadu_ps(from + i * ldfrom + 8) : _mm256_setzero_ps();
    }
    for (size_t k = 0; k < depth; k++) {
        __m256 b0 = _mm256_loadu_ps(b + k * FORAGE_PANEL);
        __m256 b1 = _mm256_loadu_ps(b + k * FORAGE_PANEL + 8);
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) {
            __m256 x = _mm256_broadcast_ss(a + i * lda + k);
            low[i] = _mm256_fmadd_ps(x, b0, low[i]);
            high[i] = _mm256_fmadd_ps(x, b1, high[i]);
        }
    }
    __m256 bias0 = bias ? _mm256_loadu_ps(bias) : _mm256_setzero_ps();
    __m256 bias1 = bias ? _mm256_loadu_ps(bias + 8) : _mm256_setzero_ps();
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
        _mm256_storeu_ps(c + i * ldc, apply8(epilogue, _mm256_add_ps(low[i], bias0)));
        _mm256_storeu_ps(c + i * ldc + 8, apply8(epilogue, _mm256_add_ps(high[i], bias1)));
    }
}

#define TILE(n)                                                                                                       \
    FORAGE_AVX2 static void tile##n(const float *a, size_t lda, const float *b, size_t depth, const float *from,      \
                                    size_t ldfrom, const float *bias, forage_epilogue epilogue, float *c,             \
                                    size_t ldc) {                                                                     \
        tile(a, lda, n, b, depth, from, ldfrom, bias, epilogue, c, ldc);                                              \
    }
TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
typedef void (*tile_function)(const float *, size_t, const float *, size_t, const float *, size_t, const float *,
                              forage_epilogue, float *, size_t);
static const tile_function tiles[7] = {0, tile1, tile2, tile3, tile4, tile5, tile6};

static void gemm_avx2(const float *a, size_t lda, size_t rows, const float *packed, size_t columns, size_t depth,
                      size_t first_panel, size_t last_panel, const float *bias, forage_epilogue epilogue, float *c,
                      size_t ldc) {
    // Tiles of nearly equal height waste less than sixes and a rest of one.
    size_t tile_count = (rows + 5) / 6;
    for (size_t panel = first_panel; panel < last_panel; panel++) {
        size_t first = panel * FORAGE_PANEL;
        int is_whole = columns - first >= FORAGE_PANEL;
        size_t k = 0;
        do {
            size_t steps = depth - k < DEPTH_BLOCK ? depth - k : DEPTH_BLOCK;
            int is_last = k + steps >= depth;
            const float *b = packed + panel * FORAGE_PANEL * depth + k * FORAGE_PANEL;
            for (size_t t = 0, row = 0; t < tile_count; t++) {
                size_t height = (rows - row + tile_count - t - 1) / (tile_count - t);
                float *target = c + row * ldc + first;
                if (is_whole) {
                    tiles[height](a + row * lda + k, lda, b, steps, k ? target : NULL, ldc,
                                  is_last && bias ? bias + first : NULL,
                                  is_last ? epilogue : FORAGE_EPILOGUE_NONE, target, ldc);
                } else {
                    // The last panel of a matrix whose columns do not fill it goes through a tile of its own.
                    float part[6 * FORAGE_PANEL], edge[FORAGE_PANEL] = {0};
                    size_t width = columns - first;
                    if (bias) memcpy(edge, bias + first, width * sizeof(float));
                    for (size_t i = 0; k && i < height; i++) {
                        memset(part + i * FORAGE_PANEL, 0, FORAGE_PANEL * sizeof(float));
                        memcpy(part + i * FORAGE_PANEL, target + i * ldc, width * sizeof(float));
                    }
                    tiles[height](a + row * lda + k, lda, b, steps, k ? part : NULL, FORAGE_PANEL,
                                  is_last ? edge : NULL, is_last ? epilogue : FORAGE_EPILOGUE_NONE, part,
                                  FORAGE_PANEL);
                    for (size_t i = 0; i < height; i++)
                        memcpy(target + i * ldc, part + i * FORAGE_PANEL, width * sizeof(float));
                }
                row += height;
            }
            k += steps;
        } while (k < depth);
    }
}
#endif

void forage_gemm_f32(const float *a, size_t lda, size_t rows, const float *packed, size_t columns, size_t depth,
                     size_t first_panel, size_t last_panel, const float *bias, forage_epilogue epilogue, float *c,
                     size_t ldc) {
#if defined(__x86_64__)
    forage_cpu_level level = forage_cpu_get_level();
    if (level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512) {
        gemm_avx2(a, lda, rows, packed, columns, depth, first_panel, last_panel, bias, epilogue, c, ldc);
        return;
    }
#endif
    gemm_portable(a, lda, rows, packed, columns, depth, first_panel, last_panel, bias, epilogue, c, ldc);
}
