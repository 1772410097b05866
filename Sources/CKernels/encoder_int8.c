// SPDX-License-Identifier: Apache-2.0
// Products on 8-bit integers: inputs unsigned, weights with sign. The weights that meet in one
// 16-bit sum are kept such that their positive parts add up to 128 at most, and their negative parts too: 255 * 128 fits,
// so that nothing saturates. Narrow weights meet in fours (two vpmaddubsw and an addition), so that one widening serves
// eight inputs; wide weights meet in pairs, which leaves them one bit more at a third more work.
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

// Reduces the largest of some weights until those of one sign sum up to 128 at most.
static void bound_sum(int8_t *const *w, int count, int sign) {
    for (;;) {
        int sum = 0, largest = 0;
        for (int i = 0; i < count; i++) {
            int value = *w[i] * sign;
            if (value > 0) sum += value;
            if (value > *w[largest] * sign) largest = i;
        }
        if (sum <= 128) return;
        *w[largest] = (int8_t)(*w[largest] - sign);
    }
}

// Quantises one column so that its largest weight becomes `top`, and returns the sum of squared errors.
static double quantise_column(const float *row, size_t depth, const float *input_scales, int is_wide, float largest,
                              float top, int8_t *panel, size_t place) {
    size_t stride = forage_quantised_stride(depth);
    float inverse = largest > 0 ? top / largest : 0, scale = largest / top;
    for (size_t k = 0; k < depth; k++)
        panel[offset_in_panel(place, k)] = (int8_t)lrintf(row[k] * (input_scales ? input_scales[k] : 1) * inverse);
    for (size_t k = 0; k < stride; k += STEP_INPUTS)
        for (size_t half = 0; half < 4; half += 2) {
            int8_t *const w[4] = {
                &panel[offset_in_panel(place, k + half)], &panel[offset_in_panel(place, k + half + 1)],
                &panel[offset_in_panel(place, k + half + 4)], &panel[offset_in_panel(place, k + half + 5)]};
            for (int sign = -1; sign <= 1; sign += 2) {
                bound_sum(w, is_wide ? 2 : 4, sign);
                if (is_wide) bound_sum(w + 2, 2, sign);
            }
        }
    double error = 0;
    for (size_t k = 0; k < depth; k++) {
        float difference =
            row[k] * (input_scales ? input_scales[k] : 1) - scale * (float)panel[offset_in_panel(place, k)];
        error += difference * difference;
    }
    return error;
}

void forage_pack_i8(const float *weights, size_t ldw, size_t columns, size_t depth, const float *input_scales,
                    int is_wide, int8_t *packed, float *scales, int32_t *sums) {
    // A finer scale rounds less and is cut more where neighbours are large together: the best of a few is taken.
    static const float narrow[] = {54, 60, 66, 74}, wide[] = {88, 100, 112, 126};
    const float *tops = is_wide ? wide : narrow;
    size_t stride = forage_quantised_stride(depth);
    size_t padded = (columns + FORAGE_PANEL - 1) / FORAGE_PANEL * FORAGE_PANEL;
    memset(packed, 0, forage_packed_i8_size(columns, depth));
    for (size_t column = 0; column < padded; column++) {
        scales[column] = 0;
        sums[column] = 0;
        if (column >= columns) continue;
        const float *row = weights + column * ldw;
        int8_t *panel = packed + column / FORAGE_PANEL * FORAGE_PANEL * stride;
        size_t place = column % FORAGE_PANEL;
        float largest = 0;
        for (size_t k = 0; k < depth; k++) {
            float value = fabsf(row[k] * (input_scales ? input_scales[k] : 1));
            largest = value > largest ? value : largest;
        }
        size_t best = 0;
        double least = INFINITY;
        for (size_t i = 0; i < sizeof narrow / sizeof *narrow; i++) {
            double error = quantise_column(row, depth, input_scales, is_wide, largest, tops[i], panel, place);
            if (error < least) {
                least = error;
                best = i;
            }
        }
        quantise_column(row, depth, input_scales, is_wide, largest, tops[best], panel, place);
        scales[column] = largest / tops[best];
        for (size_t k = 0; k < depth; k++) sums[column] += panel[offset_in_panel(place, k)];
    }
}

static void quantise_portable(const float *x, size_t ldx, size_t rows, size_t depth, const float *factors, uint8_t *q,
                              float *low, float *step) {
    size_t stride = forage_quantised_stride(depth);
    for (size_t i = 0; i < rows; i++, x += ldx, q += stride) {
        float least = INFINITY, most = -INFINITY;
        for (size_t k = 0; k < depth; k++) {
            float v = factors ? x[k] * factors[k] : x[k];
            least = v < least ? v : least;
            most = v > most ? v : most;
        }
        low[i] = least;
        step[i] = (most - least) / 255.0f;
        float inverse = most > least ? 255.0f / (most - least) : 0;
        for (size_t k = 0; k < depth; k++)
            q[k] = (uint8_t)lrintf(((factors ? x[k] * factors[k] : x[k]) - least) * inverse);
        for (size_t k = depth; k < stride; k++) q[k] = 0;
    }
}

#if defined(__x86_64__)
FORAGE_AVX2_INLINE void quantise_vector(const float *x, size_t ldx, size_t rows, size_t depth, const float *factors,
                                        uint8_t *q, float *low, float *step) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (size_t i = 0; i < rows; i++, x += ldx, q += depth) {
        __m256 least = _mm256_set1_ps(INFINITY), most = _mm256_set1_ps(-INFINITY);
        for (size_t k = 0; k < depth; k += 8) {
            __m256 v = _mm256_loadu_ps(x + k);
            if (factors) v = _mm256_mul_ps(v, _mm256_loadu_ps(factors + k));
            least = _mm256_min_ps(least, v);
            most = _mm256_max_ps(most, v);
        }
        float top = forage_max8(most), bottom = -forage_max8(_mm256_sub_ps(_mm256_setzero_ps(), least));
        low[i] = bottom;
        step[i] = (top - bottom) / 255.0f;
        __m256 inverse = _mm256_set1_ps(top > bottom ? 255.0f / (top - bottom) : 0);
        __m256 base = _mm256_set1_ps(bottom);
        for (size_t k = 0; k < depth; k += 32) {
            __m256i v[4];
            for (size_t j = 0; j < 4; j++) {
                __m256 value = _mm256_loadu_ps(x + k + 8 * j);
                if (factors) value = _mm256_mul_ps(value, _mm256_loadu_ps(factors + k + 8 * j));
                v[j] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_sub_ps(value, base), inverse));
            }
            __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
            _mm256_storeu_si256((__m256i *)(q + k), _mm256_permutevar8x32_epi32(bytes, order));
        }
    }
}

FORAGE_AVX2 static void quantise_avx2(const float *x, size_t ldx, size_t rows, size_t depth, const float *factors,
                                      uint8_t *q, float *low, float *step) {
    if (factors)
        quantise_vector(x, ldx, rows, depth, factors, q, low, step);
    else
        quantise_vector(x, ldx, rows, depth, NULL, q, low, step);
}
#endif

void forage_quantise_rows(const float *x, size_t ldx, size_t rows, size_t depth, const float *input_factors,
                          uint8_t *q, float *low, float *step) {
#if defined(__x86_64__)
    forage_cpu_level level = forage_cpu_get_level();
    if ((level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512) && depth % 32 == 0) {
        quantise_avx2(x, ldx, rows, depth, input_factors, q, low, step);
        return;
    }
#endif
    quantise_portable(x, ldx, rows, depth, input_factors, q, low, step);
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

FORAGE_AVX2_INLINE void tile(const uint8_t *q, size_t stride, const int rows, const int is_wide, const int8_t *b,
                             const float *low, const float *step, const float *scales, const int32_t *sums, const float *bias,
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
            __m256i a = _mm256_maddubs_epi16(x0, w0), b = _mm256_maddubs_epi16(x1, w2);
            __m256i c = _mm256_maddubs_epi16(x0, w1), d = _mm256_maddubs_epi16(x1, w3);
            if (is_wide) {
                left[i] = _mm256_add_epi32(left[i], _mm256_madd_epi16(a, ones));
                right[i] = _mm256_add_epi32(right[i], _mm256_madd_epi16(c, ones));
                left[i] = _mm256_add_epi32(left[i], _mm256_madd_epi16(b, ones));
                right[i] = _mm256_add_epi32(right[i], _mm256_madd_epi16(d, ones));
            } else {
                left[i] = _mm256_add_epi32(left[i], _mm256_madd_epi16(_mm256_add_epi16(a, b), ones));
                right[i] = _mm256_add_epi32(right[i], _mm256_madd_epi16(_mm256_add_epi16(c, d), ones));
            }
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

#define TILE(name, n, is_wide)                                                                                        \
    FORAGE_AVX2 static void name##n(const uint8_t *q, size_t stride, const int8_t *b, const float *low,               \
                                    const float *step, const float *scales, const int32_t *sums, const float *bias,   \
                                    forage_epilogue epilogue, float *c, size_t ldc) {                                 \
        tile(q, stride, n, is_wide, b, low, step, scales, sums, bias, epilogue, c, ldc);                              \
    }
TILE(narrow, 1, 0) TILE(narrow, 2, 0) TILE(narrow, 3, 0) TILE(narrow, 4, 0)
TILE(wide, 1, 1) TILE(wide, 2, 1) TILE(wide, 3, 1) TILE(wide, 4, 1)
typedef void (*tile_function)(const uint8_t *, size_t, const int8_t *, const float *, const float *, const float *,
                              const int32_t *, const float *, forage_epilogue, float *, size_t);
static const tile_function tile_table[2][5] = {{0, narrow1, narrow2, narrow3, narrow4},
                                               {0, wide1, wide2, wide3, wide4}};
#define TILE_ROWS 4

static void gemm_avx2(const uint8_t *q, const float *low, const float *step, size_t rows, const int8_t *packed,
                      int is_wide, const float *scales, const int32_t *sums, size_t columns, size_t depth, size_t first_panel,
                      size_t last_panel, const float *bias, forage_epilogue epilogue, float *c, size_t ldc) {
    const tile_function *tiles = tile_table[is_wide != 0];
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
                    int is_wide, const float *scales, const int32_t *sums, size_t columns, size_t depth, size_t first_panel,
                    size_t last_panel, const float *bias, forage_epilogue epilogue, float *c, size_t ldc) {
#if defined(__x86_64__)
    forage_cpu_level level = forage_cpu_get_level();
    if (level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512) {
        gemm_avx2(q, low, step, rows, packed, is_wide, scales, sums, columns, depth, first_panel, last_panel, bias,
                  epilogue, c, ldc);
        return;
    }
#endif
    (void)is_wide;
    gemm_portable(q, low, step, rows, packed, scales, sums, columns, depth, first_panel, last_panel, bias, epilogue, c,
                  ldc);
}
