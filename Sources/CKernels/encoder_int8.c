// SPDX-License-Identifier: Apache-2.0
// Products on 8-bit integers. Both sides are quantised to seven bits: then the sum of four products fits into the 16
// bits that vpmaddubsw and one addition give (127 * 63 * 4 = 32,004), and one widening serves eight inputs.
#include "cpu_features.h"
#include "encoder_kernels.h"
#include "encoder_math.h"
#include <stdlib.h>
#include <string.h>

// A step covers 8 inputs: for each half (4 inputs) 16 columns of 4 bytes.
#define STEP_INPUTS 8
#define STEP_BYTES (STEP_INPUTS * FORAGE_PANEL)

size_t forage_quantised_stride(size_t depth) { return (depth + STEP_INPUTS - 1) / STEP_INPUTS * STEP_INPUTS; }

size_t forage_packed_i8_size(size_t columns, size_t depth) {
    return (columns + FORAGE_PANEL - 1) / FORAGE_PANEL * FORAGE_PANEL * forage_quantised_stride(depth);
}

static size_t offset_in_panel(size_t column, size_t k) {
    return k / STEP_INPUTS * STEP_BYTES + k % STEP_INPUTS / 4 * (STEP_BYTES / 2) + column * 4 + k % 4;
}

void forage_pack_i8(const float *weights, size_t ldw, size_t columns, size_t depth, int8_t *packed, float *scales,
                    int32_t *sums) {
    size_t stride = forage_quantised_stride(depth);
    size_t padded = (columns + FORAGE_PANEL - 1) / FORAGE_PANEL * FORAGE_PANEL;
    memset(packed, 0, forage_packed_i8_size(columns, depth));
    for (size_t column = 0; column < padded; column++) {
        scales[column] = 0;
        sums[column] = 0;
        if (column >= columns) continue;
        const float *row = weights + column * ldw;
        int8_t *panel = packed + column / FORAGE_PANEL * FORAGE_PANEL * stride;
        float largest = 0;
        for (size_t k = 0; k < depth; k++) largest = fabsf(row[k]) > largest ? fabsf(row[k]) : largest;
        scales[column] = largest / 63.0f;
        float inverse = largest > 0 ? 63.0f / largest : 0;
        for (size_t k = 0; k < depth; k++) {
            int8_t value = (int8_t)lrintf(row[k] * inverse);
            panel[offset_in_panel(column % FORAGE_PANEL, k)] = value;
            sums[column] += value;
        }
    }
}

static void quantise_portable(const float *x, size_t ldx, size_t rows, size_t depth, uint8_t *q, float *low,
                              float *step) {
    size_t stride = forage_quantised_stride(depth);
    for (size_t i = 0; i < rows; i++, x += ldx, q += stride) {
        float least = x[0], most = x[0];
        for (size_t k = 1; k < depth; k++) {
            least = x[k] < least ? x[k] : least;
            most = x[k] > most ? x[k] : most;
        }
        low[i] = least;
        step[i] = (most - least) / 127.0f;
        float inverse = most > least ? 127.0f / (most - least) : 0;
        for (size_t k = 0; k < depth; k++) q[k] = (uint8_t)lrintf((x[k] - least) * inverse);
        for (size_t k = depth; k < stride; k++) q[k] = 0;
    }
}

#if defined(__x86_64__)
FORAGE_AVX2 static void quantise_avx2(const float *x, size_t ldx, size_t rows, size_t depth, uint8_t *q, float *low,
                                      float *step) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (size_t i = 0; i < rows; i++, x += ldx, q += depth) {
        __m256 least = _mm256_loadu_ps(x), most = least;
        for (size_t k = 8; k < depth; k += 8) {
            __m256 v = _mm256_loadu_ps(x + k);
            least = _mm256_min_ps(least, v);
            most = _mm256_max_ps(most, v);
        }
        float top = forage_max8(most), bottom = -forage_max8(_mm256_sub_ps(_mm256_setzero_ps(), least));
        low[i] = bottom;
        step[i] = (top - bottom) / 127.0f;
        __m256 inverse = _mm256_set1_ps(top > bottom ? 127.0f / (top - bottom) : 0);
        __m256 base = _mm256_set1_ps(bottom);
        for (size_t k = 0; k < depth; k += 32) {
            __m256i v[4];
            for (int j = 0; j < 4; j++)
                v[j] = _mm256_cvtps_epi32(
                    _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x + k + 8 * j), base), inverse));
            __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
            _mm256_storeu_si256((__m256i *)(q + k), _mm256_permutevar8x32_epi32(bytes, order));
        }
    }
}
#endif

void forage_quantise_rows(const float *x, size_t ldx, size_t rows, size_t depth, uint8_t *q, float *low, float *step) {
#if defined(__x86_64__)
    forage_cpu_level level = forage_cpu_get_level();
    if ((level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512) && depth % 32 == 0) {
        quantise_avx2(x, ldx, rows, depth, q, low, step);
        return;
    }
#endif
    quantise_portable(x, ldx, rows, depth, q, low, step);
}

static float apply(forage_epilogue epilogue, float x) {
    switch (epilogue) {
    case FORAGE_EPILOGUE_GELU: return forage_gelu_scalar(x);
    case FORAGE_EPILOGUE_TANH: return tanhf(x);
    case FORAGE_EPILOGUE_RELU: return x > 0 ? x : 0;
    default: return x;
    }
}

static void gemm_portable(const uint8_t *q, const float *low, const float *step, size_t rows, const int8_t *packed,
                          const float *scales, const int32_t *sums, size_t columns, size_t depth, size_t first_panel,
                          size_t last_panel, const float *bias, forage_epilogue epilogue, float *c, size_t ldc) {
    size_t stride = forage_quantised_stride(depth);
    for (size_t panel = first_panel; panel < last_panel; panel++) {
        const int8_t *b = packed + panel * FORAGE_PANEL * stride;
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < FORAGE_PANEL && panel * FORAGE_PANEL + j < columns; j++) {
                size_t column = panel * FORAGE_PANEL + j;
                int32_t sum = 0;
                for (size_t k = 0; k < depth; k++) sum += q[i * stride + k] * b[offset_in_panel(j, k)];
                float value = (step[i] * (float)sum + low[i] * (float)sums[column]) * scales[column];
                c[i * ldc + column] = apply(epilogue, value + (bias ? bias[column] : 0));
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

FORAGE_AVX2_INLINE void tile(const uint8_t *q, size_t stride, const int rows, const int8_t *b, const float *low,
                             const float *step, const float *scales, const int32_t *sums, const float *bias,
                             forage_epilogue epilogue, float *c, size_t ldc) {
    __m256i left[6], right[6];
    const __m256i ones = _mm256_set1_epi16(1);
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) left[i] = right[i] = _mm256_setzero_si256();
    for (size_t k = 0; k < stride; k += STEP_INPUTS, b += STEP_BYTES) {
        const __m256i *w = (const __m256i *)b;
        __m256i w0 = _mm256_loadu_si256(w), w1 = _mm256_loadu_si256(w + 1);
        __m256i w2 = _mm256_loadu_si256(w + 2), w3 = _mm256_loadu_si256(w + 3);
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) {
            int32_t first, second;
            memcpy(&first, q + i * stride + k, 4);
            memcpy(&second, q + i * stride + k + 4, 4);
            __m256i x0 = _mm256_set1_epi32(first), x1 = _mm256_set1_epi32(second);
            __m256i s = _mm256_add_epi16(_mm256_maddubs_epi16(x0, w0), _mm256_maddubs_epi16(x1, w2));
            left[i] = _mm256_add_epi32(left[i], _mm256_madd_epi16(s, ones));
            s = _mm256_add_epi16(_mm256_maddubs_epi16(x0, w1), _mm256_maddubs_epi16(x1, w3));
            right[i] = _mm256_add_epi32(right[i], _mm256_madd_epi16(s, ones));
        }
    }
    __m256 scale0 = _mm256_loadu_ps(scales), scale1 = _mm256_loadu_ps(scales + 8);
    __m256 sum0 = _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)sums));
    __m256 sum1 = _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(sums + 8)));
    __m256 bias0 = bias ? _mm256_loadu_ps(bias) : _mm256_setzero_ps();
    __m256 bias1 = bias ? _mm256_loadu_ps(bias + 8) : _mm256_setzero_ps();
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
        __m256 s = _mm256_set1_ps(step[i]), l = _mm256_set1_ps(low[i]);
        __m256 x = _mm256_fmadd_ps(s, _mm256_cvtepi32_ps(left[i]), _mm256_mul_ps(l, sum0));
        __m256 y = _mm256_fmadd_ps(s, _mm256_cvtepi32_ps(right[i]), _mm256_mul_ps(l, sum1));
        _mm256_storeu_ps(c + i * ldc, apply8(epilogue, _mm256_fmadd_ps(x, scale0, bias0)));
        _mm256_storeu_ps(c + i * ldc + 8, apply8(epilogue, _mm256_fmadd_ps(y, scale1, bias1)));
    }
}

#define TILE(n)                                                                                                       \
    FORAGE_AVX2 static void tile##n(const uint8_t *q, size_t stride, const int8_t *b, const float *low,               \
                                    const float *step, const float *scales, const int32_t *sums, const float *bias,   \
                                    forage_epilogue epilogue, float *c, size_t ldc) {                                 \
        tile(q, stride, n, b, low, step, scales, sums, bias, epilogue, c, ldc);                                       \
    }
TILE(1) TILE(2) TILE(3) TILE(4)
typedef void (*tile_function)(const uint8_t *, size_t, const int8_t *, const float *, const float *, const float *,
                              const int32_t *, const float *, forage_epilogue, float *, size_t);
static const tile_function tiles[5] = {0, tile1, tile2, tile3, tile4};
#define TILE_ROWS 4

static void gemm_avx2(const uint8_t *q, const float *low, const float *step, size_t rows, const int8_t *packed,
                      const float *scales, const int32_t *sums, size_t columns, size_t depth, size_t first_panel,
                      size_t last_panel, const float *bias, forage_epilogue epilogue, float *c, size_t ldc) {
    size_t stride = forage_quantised_stride(depth);
    size_t tile_count = (rows + TILE_ROWS - 1) / TILE_ROWS;
    for (size_t panel = first_panel; panel < last_panel; panel++) {
        size_t first = panel * FORAGE_PANEL;
        const int8_t *b = packed + first * stride;
        int is_whole = columns - first >= FORAGE_PANEL;
        float edge[FORAGE_PANEL] = {0};
        if (bias && !is_whole) memcpy(edge, bias + first, (columns - first) * sizeof(float));
        for (size_t t = 0, row = 0; t < tile_count; t++) {
            size_t height = (rows - row + tile_count - t - 1) / (tile_count - t);
            float *target = c + row * ldc + first;
            if (is_whole) {
                tiles[height](q + row * stride, stride, b, low + row, step + row, scales + first, sums + first,
                              bias ? bias + first : NULL, epilogue, target, ldc);
            } else {
                float part[TILE_ROWS * FORAGE_PANEL];
                tiles[height](q + row * stride, stride, b, low + row, step + row, scales + first, sums + first, edge,
                              epilogue, part, FORAGE_PANEL);
                for (size_t i = 0; i < height; i++)
                    memcpy(target + i * ldc, part + i * FORAGE_PANEL, (columns - first) * sizeof(float));
            }
            row += height;
        }
    }
}
#endif

void forage_gemm_i8(const uint8_t *q, const float *low, const float *step, size_t rows, const int8_t *packed,
                    const float *scales, const int32_t *sums, size_t columns, size_t depth, size_t first_panel,
                    size_t last_panel, const float *bias, forage_epilogue epilogue, float *c, size_t ldc) {
#if defined(__x86_64__)
    forage_cpu_level level = forage_cpu_get_level();
    if (level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512) {
        gemm_avx2(q, low, step, rows, packed, scales, sums, columns, depth, first_panel, last_panel, bias, epilogue, c,
                  ldc);
        return;
    }
#endif
    gemm_portable(q, low, step, rows, packed, scales, sums, columns, depth, first_panel, last_panel, bias, epilogue, c,
                  ldc);
}
