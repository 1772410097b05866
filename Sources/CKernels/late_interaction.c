// SPDX-License-Identifier: Apache-2.0
#include "late_interaction.h"
#include "cpu_features.h"
#include <math.h>

static int32_t dot_portable(const int8_t *x, const int8_t *y, size_t from, size_t dimension) {
    int32_t sum = 0;
    for (size_t i = from; i < dimension; i++) sum += (int32_t)x[i] * y[i];
    return sum;
}

static void maxsim_portable(const int8_t *query, const float *query_scales, size_t query_count, const int8_t *tokens,
                            const float *token_scales, size_t count, size_t dimension, float *best) {
    for (size_t i = 0; i < query_count; i++)
        for (size_t j = 0; j < count; j++) {
            int32_t sum = dot_portable(query + i * dimension, tokens + j * dimension, 0, dimension);
            float similarity = (float)sum * token_scales[j] * query_scales[i];
            if (similarity > best[i]) best[i] = similarity;
        }
}

#if defined(__x86_64__)
#include <immintrin.h>

static inline __attribute__((always_inline, target("avx2"))) int32_t sum_lanes(__m256i x) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

// vpmaddubsw wants one side unsigned: |token| with the token's sign moved to the query. 127 * 127 * 2 fits 16 bits.
// Four query tokens share each load of a passage token.
__attribute__((target("avx2"))) static void maxsim_avx2(const int8_t *query, const float *query_scales,
                                                        size_t query_count, const int8_t *tokens,
                                                        const float *token_scales, size_t count, size_t dimension,
                                                        float *best) {
    const __m256i ones = _mm256_set1_epi16(1);
    size_t whole = dimension & ~(size_t)31;
    for (size_t j = 0; j < count; j++) {
        const int8_t *token = tokens + j * dimension;
        size_t i = 0;
        for (; i + 4 <= query_count; i += 4) {
            __m256i sums[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                               _mm256_setzero_si256()};
            for (size_t k = 0; k < whole; k += 32) {
                __m256i t = _mm256_loadu_si256((const __m256i *)(token + k)), a = _mm256_abs_epi8(t);
                for (size_t r = 0; r < 4; r++) {
                    __m256i q = _mm256_loadu_si256((const __m256i *)(query + (i + r) * dimension + k));
                    __m256i p = _mm256_maddubs_epi16(a, _mm256_sign_epi8(q, t));
                    sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(p, ones));
                }
            }
            for (size_t r = 0; r < 4; r++) {
                int32_t sum = sum_lanes(sums[r]) + dot_portable(query + (i + r) * dimension, token, whole, dimension);
                float similarity = (float)sum * token_scales[j] * query_scales[i + r];
                if (similarity > best[i + r]) best[i + r] = similarity;
            }
        }
        for (; i < query_count; i++) {
            __m256i total = _mm256_setzero_si256();
            for (size_t k = 0; k < whole; k += 32) {
                __m256i t = _mm256_loadu_si256((const __m256i *)(token + k));
                __m256i q = _mm256_loadu_si256((const __m256i *)(query + i * dimension + k));
                __m256i p = _mm256_maddubs_epi16(_mm256_abs_epi8(t), _mm256_sign_epi8(q, t));
                total = _mm256_add_epi32(total, _mm256_madd_epi16(p, ones));
            }
            int32_t sum = sum_lanes(total) + dot_portable(query + i * dimension, token, whole, dimension);
            float similarity = (float)sum * token_scales[j] * query_scales[i];
            if (similarity > best[i]) best[i] = similarity;
        }
    }
}
#endif

void forage_maxsim_i8(const int8_t *query, const float *query_scales, size_t query_count, const int8_t *tokens,
                      const float *token_scales, size_t count, size_t dimension, float *best) {
    for (size_t i = 0; i < query_count; i++) best[i] = -INFINITY;
#if defined(__x86_64__)
    forage_cpu_level level = forage_cpu_get_level();
    if (level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512) {
        maxsim_avx2(query, query_scales, query_count, tokens, token_scales, count, dimension, best);
        return;
    }
#endif
    maxsim_portable(query, query_scales, query_count, tokens, token_scales, count, dimension, best);
}
