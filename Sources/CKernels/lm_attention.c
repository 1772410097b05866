// SPDX-License-Identifier: Apache-2.0
// Attention over the paged key-value cache. A task is a run of a sequence's tokens with one key head; its rows are
// the query heads of those tokens that share the key head. A page is widened to floats once and meets all rows.
// Per row the pages are taken in order and the sums run over the same entries in the same order whatever stands beside
// it, so that a token's result does not depend on how the tokens were cut into steps.
#include "lm_vector.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define ROWS 32
#define PAGE FORAGE_LM_PAGE

typedef struct {
    const forage_lm_step *step;
    const float *q;
    float *out;
    int window, runs;
    const int32_t *starts; // runs + 1 first tokens
    uint8_t *scratch;
    size_t scratch_stride;
} attend_job;

LM_INLINE int most_rows(int heads, int kv_heads) { return heads / kv_heads > ROWS ? heads / kv_heads : ROWS; }

size_t forage_lm_attention_scratch(int heads, int kv_heads, int head_size) {
    size_t rows = (size_t)most_rows(heads, kv_heads) + 3, size = (size_t)head_size;
    size_t floats = 2 * size * PAGE + rows * (PAGE + 2 * size + 2);
    return (floats * 4 + 256 + 63) / 64 * 64;
}

/// out[4][16 of stride] += a[4][n] x b[n][16 of stride], for `rows` rows and columns `columns` (8 or 16).
LM_INLINE void tile(
    int rows, int columns, int n, const float *a, size_t a_stride, const float *b, size_t b_stride, float *out,
    size_t out_stride) {
    v8 sum[4][2];
    int parts = columns / 8;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < parts; c++) sum[r][c] = v8_load(out + (size_t)r * out_stride + 8 * c);
    for (int i = 0; i < n; i++) {
        v8 right[2];
        for (int c = 0; c < parts; c++) right[c] = v8_load(b + (size_t)i * b_stride + 8 * c);
        for (int r = 0; r < rows; r++) {
            v8 left = v8_all(a[(size_t)r * a_stride + (size_t)i]);
            for (int c = 0; c < parts; c++) sum[r][c] += left * right[c];
        }
    }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < parts; c++) v8_store(out + (size_t)r * out_stride + 8 * c, sum[r][c]);
}

LM_INLINE void multiply(
    int rows, int columns, int n, const float *a, size_t a_stride, const float *b, size_t b_stride, float *out,
    size_t out_stride) {
    for (int r = 0; r < rows; r += 4)
        for (int c = 0; c < columns; c += 16) {
            const float *left = a + (size_t)r * a_stride, *right = b + c;
            float *to = out + (size_t)r * out_stride + c;
            int wide = columns - c >= 16;
            switch (rows - r < 4 ? rows - r : 4) {
            case 4:
                if (wide) tile(4, 16, n, left, a_stride, right, b_stride, to, out_stride);
                else tile(4, 8, n, left, a_stride, right, b_stride, to, out_stride);
                break;
            case 3:
                if (wide) tile(3, 16, n, left, a_stride, right, b_stride, to, out_stride);
                else tile(3, 8, n, left, a_stride, right, b_stride, to, out_stride);
                break;
            case 2:
                if (wide) tile(2, 16, n, left, a_stride, right, b_stride, to, out_stride);
                else tile(2, 8, n, left, a_stride, right, b_stride, to, out_stride);
                break;
            default:
                if (wide) tile(1, 16, n, left, a_stride, right, b_stride, to, out_stride);
                else tile(1, 8, n, left, a_stride, right, b_stride, to, out_stride);
            }
        }
}

static void widen_plain(const uint16_t *from, float *to, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = lm_half(from[i]);
}
#if defined(__x86_64__)
LM_AVX2 static void widen_f16c(const uint16_t *from, float *to, size_t n) {
    for (size_t i = 0; i < n; i += 8)
        _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(from + i))));
}
#else
#define widen_f16c widen_plain
#endif

LM_INLINE void attend_body(const attend_job *job, int run, int kv_head, uint8_t *scratch, int f16c) {
    const forage_lm_step *s = job->step;
    int first = job->starts[run], tokens = job->starts[run + 1] - first;
    int group = s->heads / s->kv_heads, rows = tokens * group;
    size_t size = (size_t)s->head_size, most = (size_t)most_rows(s->heads, s->kv_heads) + 3;
    float *keys = (float *)scratch, *values = keys + size * PAGE, *weights = values + size * PAGE;
    float *out = weights + most * PAGE, *q = out + most * size, *peak = q + most * size, *total = peak + most;
    for (int t = 0; t < tokens; t++)
        memcpy(
            q + (size_t)(t * group) * size,
            job->q + ((size_t)(first + t) * (size_t)s->heads + (size_t)(kv_head * group)) * size,
            (size_t)group * size * 4);
    memset(out, 0, (size_t)rows * size * 4);
    for (int r = 0; r < rows; r++) {
        peak[r] = -INFINITY;
        total[r] = 0;
    }
    int32_t start = s->position[first], end = s->position[first + tokens - 1];
    int32_t oldest = job->window > 0 && start >= job->window ? start - job->window + 1 : 0;
    uint16_t *const *pages = s->pages[s->sequence[first]];
    for (int page = oldest / PAGE; page <= end / PAGE; page++) {
        const uint16_t *base = pages[page] + s->layer_offset + (size_t)kv_head * size * PAGE;
        int32_t begin = page * PAGE;
        int used = end - begin + 1 < PAGE ? end - begin + 1 : PAGE;
        (f16c ? widen_f16c : widen_plain)(base, keys, size * PAGE);
        (f16c ? widen_f16c : widen_plain)(base + s->value_offset, values, size * (size_t)used);
        memset(weights, 0, (size_t)rows * PAGE * 4);
        multiply(rows, PAGE, (int)size, q, size, keys, PAGE, weights, PAGE);
        for (int r = 0; r < rows; r++) {
            int32_t position = s->position[first + r / group];
            int32_t low = job->window > 0 && position >= job->window ? position - job->window + 1 - begin : 0;
            int32_t high = position - begin + 1;
            if (low < 0) low = 0;
            if (high > PAGE) high = PAGE;
            float *w = weights + (size_t)r * PAGE;
            if (low >= high) {
                memset(w, 0, PAGE * 4);
                continue;
            }
            for (int i = 0; i < low; i++) w[i] = -INFINITY;
            for (int i = high; i < PAGE; i++) w[i] = -INFINITY;
            v8 x[4], top;
            for (int i = 0; i < 4; i++) x[i] = v8_load(w + 8 * i);
            top = v8_max(v8_max(x[0], x[1]), v8_max(x[2], x[3]));
            float high_score = v8_most(top);
            if (high_score > peak[r]) {
                float shrink = v8_exp(v8_all(peak[r] - high_score))[0];
                peak[r] = high_score;
                total[r] *= shrink;
                float *o = out + (size_t)r * size;
                for (size_t i = 0; i < size; i += 8) v8_store(o + i, v8_load(o + i) * v8_all(shrink));
            }
            v8 sum = v8_all(0);
            for (int i = 0; i < 4; i++) {
                x[i] = v8_exp(x[i] - v8_all(peak[r]));
                sum += x[i];
                v8_store(w + 8 * i, x[i]);
            }
            total[r] += v8_sum(sum);
        }
        multiply(rows, (int)size, used, weights, PAGE, values, size, out, size);
    }
    for (int r = 0; r < rows; r++) {
        float *to = job->out +
            ((size_t)(first + r / group) * (size_t)s->heads + (size_t)(kv_head * group + r % group)) * size;
        float factor = 1 / total[r];
        for (size_t i = 0; i < size; i++) to[i] = out[(size_t)r * size + i] * factor;
    }
}

static void attend_plain(const attend_job *job, int run, int kv_head, uint8_t *scratch) {
    attend_body(job, run, kv_head, scratch, 0);
}
#if defined(__x86_64__)
LM_AVX2 static void attend_avx2(const attend_job *job, int run, int kv_head, uint8_t *scratch) {
    attend_body(job, run, kv_head, scratch, 1);
}
#endif

static void attend_task(void *context, int index, int worker) {
    const attend_job *job = context;
    uint8_t *scratch = job->scratch + (size_t)worker * job->scratch_stride;
    int kv_heads = job->step->kv_heads;
    // The last runs see the most keys: they are taken first.
    int run = job->runs - 1 - index / kv_heads, kv_head = index % kv_heads;
#if defined(__x86_64__)
    if (lm_has_avx2()) {
        attend_avx2(job, run, kv_head, scratch);
        return;
    }
#endif
    attend_plain(job, run, kv_head, scratch);
}

void forage_lm_attend(
    forage_pool *pool, const forage_lm_step *step, const float *q, float *out, int window, void *scratch) {
    int32_t starts[1025];
    int most = most_rows(step->heads, step->kv_heads) / (step->heads / step->kv_heads), t = 0;
    attend_job job = {.step = step, .q = q, .out = out, .window = window, .starts = starts, .scratch = scratch};
    job.scratch_stride = forage_lm_attention_scratch(step->heads, step->kv_heads, step->head_size);
    while (t < step->tokens) {
        job.runs = 0;
        while (t < step->tokens && job.runs < 1024) {
            starts[job.runs++] = t;
            int end = t + 1;
            while (end < step->tokens && end - t < most && step->sequence[end] == step->sequence[t]) end++;
            t = end;
        }
        starts[job.runs] = t;
        forage_pool_run(pool, job.runs * step->kv_heads, attend_task, &job);
    }
}
