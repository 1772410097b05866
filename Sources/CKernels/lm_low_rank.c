// SPDX-License-Identifier: Apache-2.0
// Low-rank products beside quantised ones. Tokens of a chunk share the numbers that are widened; a token's sums are taken
// in the same order whether it comes alone or with others.
#include "decoder_kernels.h"
#include "lm_vector.h"

enum { GROUP = 4, CHUNK = 16, PART = 32 };
typedef void (*widen_function)(const uint16_t *from, float *to, size_t n);

static void widen_plain(const uint16_t *from, float *to, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = lm_half(from[i]);
}

#if defined(__x86_64__)
#include <immintrin.h>
LM_AVX2 static void widen_f16c(const uint16_t *from, float *to, size_t n) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(from + i))));
    for (; i < n; i++) to[i] = _cvtsh_ss(from[i]);
}
#endif

/// Adds `count` outputs of some tokens, from the widened columns of B: rank x PART.
LM_INLINE void part_body(const forage_low_rank *p, const float *b, int start, int count, int first, int tokens) {
    const float *hidden[GROUP];
    float *out[GROUP];
    for (int t = 0; t < tokens; t++) {
        hidden[t] = p->hidden + (first + t) * p->hidden_stride;
        out[t] = p->out + (first + t) * p->out_stride + start;
    }
    int i = 0;
    for (; i + 8 <= count; i += 8) {
        v8 sum[GROUP];
        for (int t = 0; t < tokens; t++) sum[t] = v8_load(out[t] + i);
        for (int r = 0; r < p->rank; r++) {
            v8 w = v8_load(b + r * PART + i);
            for (int t = 0; t < tokens; t++) sum[t] += w * v8_all(hidden[t][r]);
        }
        for (int t = 0; t < tokens; t++) v8_store(out[t] + i, sum[t]);
    }
    for (; i < count; i++)
        for (int t = 0; t < tokens; t++) {
            float sum = out[t][i];
            for (int r = 0; r < p->rank; r++) sum += b[r * PART + i] * hidden[t][r];
            out[t][i] = sum;
        }
}

LM_INLINE void chunk_body(const forage_low_rank *p, int first, int last, widen_function widen) {
    float b[FORAGE_LOW_RANK_MOST * PART];
    for (int start = 0; start < p->rows; start += PART) {
        int count = p->rows - start < PART ? p->rows - start : PART;
        for (int r = 0; r < p->rank; r++)
            widen(p->b + (size_t)r * (size_t)p->rows + start, b + r * PART, (size_t)count);
        int t = first;
        for (; t + GROUP <= last; t += GROUP) part_body(p, b, start, count, t, GROUP);
        for (; t < last; t++) part_body(p, b, start, count, t, 1);
    }
}

static void chunk_plain(const forage_low_rank *p, int first, int last) { chunk_body(p, first, last, widen_plain); }

#if defined(__x86_64__)
LM_AVX2 static void chunk_avx2(const forage_low_rank *p, int first, int last) { chunk_body(p, first, last, widen_f16c); }
#endif

typedef struct {
    const forage_low_rank *products;
    int tokens, count;
    void (*chunk)(const forage_low_rank *, int, int);
} low_rank_job;

static void low_rank_chunk(void *context, int index, int worker) {
    (void)worker;
    const low_rank_job *job = context;
    int first = index * CHUNK, last = first + CHUNK < job->tokens ? first + CHUNK : job->tokens;
    for (int i = 0; i < job->count; i++) job->chunk(job->products + i, first, last);
}

void forage_low_rank_add(forage_pool *pool, int tokens, const forage_low_rank *products, int count) {
    low_rank_job job = {products, tokens, count, chunk_plain};
#if defined(__x86_64__)
    forage_cpu_level level = forage_cpu_get_level();
    if (level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512) job.chunk = chunk_avx2;
#endif
    if (count > 0) forage_pool_run(pool, (tokens + CHUNK - 1) / CHUNK, low_rank_chunk, &job);
}
