// SPDX-License-Identifier: Apache-2.0
// Low-rank products beside quantised ones. Four tokens share each number that is widened; a token's sums are taken in the
// same order whether it comes alone or with others.
#include "decoder_kernels.h"
#include "lm_vector.h"

enum { GROUP = 4, PART = 256 };
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

/// The sums of a row of A with some tokens.
LM_INLINE void sums_body(const uint16_t *a, const float *const *x, int tokens, int n, float *sums, widen_function widen) {
    float part[PART];
    v8 lanes[GROUP];
    float rest[GROUP] = {0};
    for (int t = 0; t < tokens; t++) lanes[t] = v8_all(0);
    for (int start = 0; start < n; start += PART) {
        int count = n - start < PART ? n - start : PART, i = 0;
        widen(a + start, part, (size_t)count);
        for (; i + 8 <= count; i += 8) {
            v8 w = v8_load(part + i);
            for (int t = 0; t < tokens; t++) lanes[t] += w * v8_load(x[t] + start + i);
        }
        for (; i < count; i++)
            for (int t = 0; t < tokens; t++) rest[t] += part[i] * x[t][start + i];
    }
    for (int t = 0; t < tokens; t++) sums[t] = v8_sum(lanes[t]) + rest[t];
}

LM_INLINE void outputs_body(const forage_low_rank *p, float (*hidden)[GROUP], int first, int tokens,
                            widen_function widen) {
    float part[PART];
    for (int start = 0; start < p->rows; start += PART) {
        int count = p->rows - start < PART ? p->rows - start : PART;
        for (int r = 0; r < p->rank; r++) {
            widen(p->b + (size_t)r * (size_t)p->rows + start, part, (size_t)count);
            for (int t = 0; t < tokens; t++) {
                float *out = p->out + (first + t) * p->out_stride + start, h = hidden[r][t];
                int i = 0;
                for (; i + 8 <= count; i += 8) v8_store(out + i, v8_load(out + i) + v8_load(part + i) * v8_all(h));
                for (; i < count; i++) out[i] += part[i] * h;
            }
        }
    }
}

LM_INLINE void group_body(const forage_lm_activations *a, const forage_low_rank *p, int first, int tokens,
                          widen_function widen) {
    const float *x[GROUP];
    float hidden[FORAGE_LOW_RANK_MOST][GROUP];
    for (int t = 0; t < tokens; t++) x[t] = a->x + (size_t)(first + t) * (size_t)a->columns;
    for (int r = 0; r < p->rank; r++) {
        const uint16_t *row = p->a + (size_t)r * (size_t)a->columns;
        if (tokens == GROUP) sums_body(row, x, GROUP, a->columns, hidden[r], widen);
        else
            for (int t = 0; t < tokens; t++) sums_body(row, x + t, 1, a->columns, hidden[r] + t, widen);
    }
    outputs_body(p, hidden, first, tokens, widen);
}

static void group_plain(const forage_lm_activations *a, const forage_low_rank *p, int first, int tokens) {
    group_body(a, p, first, tokens, widen_plain);
}

#if defined(__x86_64__)
LM_AVX2 static void group_avx2(const forage_lm_activations *a, const forage_low_rank *p, int first, int tokens) {
    group_body(a, p, first, tokens, widen_f16c);
}
#endif

typedef struct {
    const forage_lm_activations *a;
    const forage_low_rank *products;
    int count;
    void (*group)(const forage_lm_activations *, const forage_low_rank *, int, int);
} low_rank_job;

static void low_rank_chunk(void *context, int index, int worker) {
    (void)worker;
    const low_rank_job *job = context;
    int first = index * GROUP, left = job->a->rows - first;
    for (int i = 0; i < job->count; i++) job->group(job->a, job->products + i, first, left < GROUP ? left : GROUP);
}

void forage_low_rank_add(forage_pool *pool, const forage_lm_activations *a, const forage_low_rank *products, int count) {
    low_rank_job job = {a, products, count, group_plain};
#if defined(__x86_64__)
    forage_cpu_level level = forage_cpu_get_level();
    if (level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512) job.group = group_avx2;
#endif
    if (count > 0) forage_pool_run(pool, (a->rows + GROUP - 1) / GROUP, low_rank_chunk, &job);
}
