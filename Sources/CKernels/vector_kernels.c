// SPDX-License-Identifier: Apache-2.0
#include "vector_kernels.h"
#include "cpu_features.h"

static float dot_portable(const float *left, const float *right, size_t dimension) {
    float sums[8] = {0};
    size_t at = 0;
    for (; at + 8 <= dimension; at += 8)
        for (size_t lane = 0; lane < 8; lane++) sums[lane] += left[at + lane] * right[at + lane];
    float sum = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
    for (; at < dimension; at++) sum += left[at] * right[at];
    return sum;
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2,fma"))) static inline float sum_lanes(__m256 lanes) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_shuffle_ps(half, half, 1)));
}

__attribute__((target("avx2,fma"))) static float dot_avx2(const float *left, const float *right, size_t dimension) {
    __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
    size_t at = 0;
    for (; at + 32 <= dimension; at += 32) {
        a = _mm256_fmadd_ps(_mm256_loadu_ps(left + at), _mm256_loadu_ps(right + at), a);
        b = _mm256_fmadd_ps(_mm256_loadu_ps(left + at + 8), _mm256_loadu_ps(right + at + 8), b);
        c = _mm256_fmadd_ps(_mm256_loadu_ps(left + at + 16), _mm256_loadu_ps(right + at + 16), c);
        d = _mm256_fmadd_ps(_mm256_loadu_ps(left + at + 24), _mm256_loadu_ps(right + at + 24), d);
    }
    for (; at + 8 <= dimension; at += 8)
        a = _mm256_fmadd_ps(_mm256_loadu_ps(left + at), _mm256_loadu_ps(right + at), a);
    float sum = sum_lanes(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
    for (; at < dimension; at++) sum += left[at] * right[at];
    return sum;
}

__attribute__((target("avx2,fma"))) static void rows_avx2(const float *query, const float *rows, size_t count,
                                                          size_t dimension, float *products) {
    for (size_t row = 0; row < count; row++) {
        const float *next = rows + (row + 4) * dimension;
        if (row + 4 < count)
            for (size_t line = 0; line < dimension; line += 16) _mm_prefetch((const char *)(next + line), _MM_HINT_T0);
        products[row] = dot_avx2(query, rows + row * dimension, dimension);
    }
}
#endif

float forage_dot(const float *left, const float *right, size_t dimension) {
#if defined(__x86_64__)
    forage_cpu_level level = forage_cpu_get_level();
    if (level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512) return dot_avx2(left, right, dimension);
#endif
    return dot_portable(left, right, dimension);
}

void forage_dot_rows(const float *query, const float *rows, size_t count, size_t dimension, float *products) {
#if defined(__x86_64__)
    forage_cpu_level level = forage_cpu_get_level();
    if (level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512) {
        rows_avx2(query, rows, count, dimension, products);
        return;
    }
#endif
    for (size_t row = 0; row < count; row++) products[row] = dot_portable(query, rows + row * dimension, dimension);
}
