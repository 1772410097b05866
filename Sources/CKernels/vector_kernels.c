// SPDX-License-Identifier: Apache-2.0
#include "vector_kernels.h"
#include "cpu_features.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,fma,f16c")))
#endif

// How far ahead rows are fetched, in bytes. Scans are bound by memory: the processor's own prefetcher stops at pages.
#define AHEAD 2048

// ---- Portable: eight running sums, as the vector variants have lanes.

static float dot_portable(const float *a, const float *b, size_t n) {
    float sums[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t lane = 0; lane < 8; lane++) sums[lane] += a[i + lane] * b[i + lane];
    float sum = 0;
    for (; i < n; i++) sum += a[i] * b[i];
    for (size_t lane = 0; lane < 8; lane++) sum += sums[lane];
    return sum;
}

static float half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = (half >> 10) & 31, mantissa = half & 1023, bits;
    if (exponent == 0) {
        float value = (float)mantissa * 5.9604644775390625e-8f; // 2^-24
        return sign ? -value : value;
    }
    bits = exponent == 31 ? sign | 0x7F800000 | mantissa << 13 : sign | (exponent + 112) << 23 | mantissa << 13;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static uint16_t float_to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7FFFFFFF;
    if (bits >= 0x7F800000) return sign | (bits > 0x7F800000 ? 0x7E00 : 0x7C00);
    if (bits >= 0x477FF000) return sign | 0x7C00;
    if (bits < 0x38800000) { // below the normal halves: let the addition round
        float magnitude, shifted;
        memcpy(&magnitude, &bits, 4);
        shifted = magnitude + 0.5f;
        memcpy(&bits, &shifted, 4);
        return sign | (uint16_t)(bits - 0x3F000000);
    }
    bits += 0xFFF + (bits >> 13 & 1);
    return sign | (uint16_t)((bits - 0x38000000) >> 13);
}

static float dot_f16_portable(const uint16_t *a, const float *b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += half_to_float(a[i]) * b[i];
    return sum;
}

static int32_t dot_i8_portable(const int8_t *a, const int16_t *b, size_t n) {
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += (int32_t)a[i] * b[i];
    return sum;
}

// ---- AVX2.

#if defined(__x86_64__)
AVX2 static inline float sum8(__m256 v) {
    __m128 low = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    low = _mm_add_ps(low, _mm_movehl_ps(low, low));
    return _mm_cvtss_f32(_mm_add_ss(low, _mm_movehdup_ps(low)));
}

AVX2 static inline float dot_avx2(const float *a, const float *b, size_t n) {
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
        s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
        s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), s2);
        s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), s3);
    }
    for (; i + 8 <= n; i += 8) s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
    float sum = sum8(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
    for (; i < n; i++) sum += a[i] * b[i];
    return sum;
}

AVX2 static void rows_f32_avx2(const float *rows, size_t count, size_t n, const float *query, float *products) {
    for (size_t r = 0; r < count; r++) {
        const float *row = rows + r * n;
        const char *ahead = (const char *)row + n * 4 + AHEAD;
        for (size_t byte = 0; byte < n * 4; byte += 64) _mm_prefetch(ahead + byte, _MM_HINT_T0);
        products[r] = dot_avx2(row, query, n);
    }
}

AVX2 static void gather_f32_avx2(const float *rows, const uint32_t *ordinals, size_t count, size_t n,
                                 const float *query, float *products) {
    for (size_t r = 0; r < count; r++) {
        if (r + 2 < count) {
            const char *ahead = (const char *)(rows + (size_t)ordinals[r + 2] * n);
            for (size_t byte = 0; byte < n * 4; byte += 64) _mm_prefetch(ahead + byte, _MM_HINT_T0);
        }
        products[r] = dot_avx2(rows + (size_t)ordinals[r] * n, query, n);
    }
}

AVX2 static void rows_f16_avx2(const uint16_t *rows, size_t count, size_t n, const float *query, float *products) {
    for (size_t r = 0; r < count; r++) {
        const uint16_t *a = rows + r * n;
        const char *ahead = (const char *)a + n * 2 + AHEAD;
        for (size_t byte = 0; byte < n * 2; byte += 64) _mm_prefetch(ahead + byte, _MM_HINT_T0);
        __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
        size_t i = 0;
#define HALVES(at) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(a + (at))))
        for (; i + 32 <= n; i += 32) {
            s0 = _mm256_fmadd_ps(HALVES(i), _mm256_loadu_ps(query + i), s0);
            s1 = _mm256_fmadd_ps(HALVES(i + 8), _mm256_loadu_ps(query + i + 8), s1);
            s2 = _mm256_fmadd_ps(HALVES(i + 16), _mm256_loadu_ps(query + i + 16), s2);
            s3 = _mm256_fmadd_ps(HALVES(i + 24), _mm256_loadu_ps(query + i + 24), s3);
        }
        for (; i + 8 <= n; i += 8) s0 = _mm256_fmadd_ps(HALVES(i), _mm256_loadu_ps(query + i), s0);
#undef HALVES
        float sum = sum8(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
        for (; i < n; i++) sum += half_to_float(a[i]) * query[i];
        products[r] = sum;
    }
}

AVX2 static int32_t dot_i8_avx2(const int8_t *a, const int16_t *b, size_t n) {
    __m256i s0 = _mm256_setzero_si256(), s1 = s0;
    size_t i = 0;
#define BYTES(at) _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(a + (at))))
#define WORDS(at) _mm256_loadu_si256((const __m256i *)(b + (at)))
    for (; i + 32 <= n; i += 32) {
        s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(BYTES(i), WORDS(i)));
        s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(BYTES(i + 16), WORDS(i + 16)));
    }
#undef BYTES
#undef WORDS
    __m256i s = _mm256_add_epi32(s0, s1);
    __m128i low = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    low = _mm_add_epi32(low, _mm_shuffle_epi32(low, 0x4E));
    low = _mm_add_epi32(low, _mm_shuffle_epi32(low, 0xB1));
    int32_t sum = _mm_cvtsi128_si32(low);
    for (; i < n; i++) sum += (int32_t)a[i] * b[i];
    return sum;
}

AVX2 static void rows_i8_avx2(const int8_t *rows, const float *row_scales, size_t count, size_t n,
                              const int16_t *query, float scale, float *products) {
    for (size_t r = 0; r < count; r++) {
        const int8_t *row = rows + r * n;
        for (size_t byte = 0; byte < n; byte += 64) _mm_prefetch((const char *)row + n + AHEAD + byte, _MM_HINT_T0);
        products[r] = (float)dot_i8_avx2(row, query, n) * scale * row_scales[r];
    }
}
#endif

static int has_avx2(void) {
#if defined(__x86_64__)
    forage_cpu_level level = forage_cpu_get_level();
    return level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512;
#else
    return 0;
#endif
}

void forage_dot_rows_f32(const float *rows, size_t count, size_t dimension, const float *query, float *products) {
#if defined(__x86_64__)
    if (has_avx2()) {
        rows_f32_avx2(rows, count, dimension, query, products);
        return;
    }
#endif
    for (size_t r = 0; r < count; r++) products[r] = dot_portable(rows + r * dimension, query, dimension);
}

void forage_dot_rows_f16(const uint16_t *rows, size_t count, size_t dimension, const float *query, float *products) {
#if defined(__x86_64__)
    if (has_avx2()) {
        rows_f16_avx2(rows, count, dimension, query, products);
        return;
    }
#endif
    for (size_t r = 0; r < count; r++) products[r] = dot_f16_portable(rows + r * dimension, query, dimension);
}

void forage_dot_rows_i8(const int8_t *rows, const float *row_scales, size_t count, size_t dimension,
                        const int16_t *query, float scale, float *products) {
#if defined(__x86_64__)
    if (has_avx2()) {
        rows_i8_avx2(rows, row_scales, count, dimension, query, scale, products);
        return;
    }
#endif
    for (size_t r = 0; r < count; r++)
        products[r] = (float)dot_i8_portable(rows + r * dimension, query, dimension) * scale * row_scales[r];
}

void forage_dot_gather_f32(const float *rows, const uint32_t *ordinals, size_t count, size_t dimension,
                           const float *query, float *products) {
#if defined(__x86_64__)
    if (has_avx2()) {
        gather_f32_avx2(rows, ordinals, count, dimension, query, products);
        return;
    }
#endif
    for (size_t r = 0; r < count; r++)
        products[r] = dot_portable(rows + (size_t)ordinals[r] * dimension, query, dimension);
}

float forage_dot(const float *a, const float *b, size_t dimension) {
#if defined(__x86_64__)
    if (has_avx2()) {
        float product;
        rows_f32_avx2(a, 1, dimension, b, &product);
        return product;
    }
#endif
    return dot_portable(a, b, dimension);
}

void forage_convert_to_f16(const float *values, size_t count, uint16_t *halves) {
    for (size_t i = 0; i < count; i++) halves[i] = float_to_half(values[i]);
}

float forage_quantize_i8(const float *values, size_t count, int8_t *quantized) {
    float largest = 0;
    for (size_t i = 0; i < count; i++) {
        float magnitude = fabsf(values[i]);
        if (magnitude > largest) largest = magnitude;
    }
    if (!(largest > 0) || !isfinite(largest)) {
        memset(quantized, 0, count);
        return 0;
    }
    float factor = 127 / largest;
    for (size_t i = 0; i < count; i++) quantized[i] = (int8_t)lrintf(values[i] * factor);
    return largest / 127;
}

// ---- The best so far: a min-heap of keys that order as (score, lower ordinal) do.

static uint64_t key_of(float score, uint32_t ordinal) {
    uint32_t bits;
    if (score != score) score = -INFINITY;
    score += 0.0f; // one zero
    memcpy(&bits, &score, 4);
    bits = bits & 0x80000000 ? ~bits : bits | 0x80000000;
    return (uint64_t)bits << 32 | (uint32_t)~ordinal;
}

static float score_of(uint64_t key) {
    uint32_t bits = (uint32_t)(key >> 32);
    bits = bits & 0x80000000 ? bits & 0x7FFFFFFF : ~bits;
    float score;
    memcpy(&score, &bits, 4);
    return score;
}

static void sift_down(uint64_t *keys, size_t count, size_t at) {
    uint64_t key = keys[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) break;
        if (child + 1 < count && keys[child + 1] < keys[child]) child++;
        if (keys[child] >= key) break;
        keys[at] = keys[child];
        at = child;
    }
    keys[at] = key;
}

void forage_top_offer(const float *scores, size_t count, uint32_t first, const uint32_t *ordinals, uint64_t *heap,
                      size_t *held, size_t capacity) {
    if (capacity == 0) return;
    size_t i = 0;
    for (; i < count && *held < capacity; i++) {
        heap[(*held)++] = key_of(scores[i], ordinals ? ordinals[i] : first + (uint32_t)i);
        if (*held == capacity)
            for (size_t at = capacity / 2; at-- > 0;) sift_down(heap, capacity, at);
    }
    if (*held < capacity) return;
    float least = score_of(heap[0]);
    for (; i < count; i++) {
        if (scores[i] < least) continue;
        uint64_t key = key_of(scores[i], ordinals ? ordinals[i] : first + (uint32_t)i);
        if (key <= heap[0]) continue;
        heap[0] = key;
        sift_down(heap, capacity, 0);
        least = score_of(heap[0]);
    }
}

static int descending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

void forage_top_finish(uint64_t *heap, size_t held, uint32_t *ordinals, float *scores) {
    qsort(heap, held, sizeof(uint64_t), descending);
    for (size_t i = 0; i < held; i++) {
        ordinals[i] = ~(uint32_t)heap[i];
        scores[i] = score_of(heap[i]);
    }
}
