// SPDX-License-Identifier: Apache-2.0
// What stands between the matrices of a layer: norms, rotation, gates, residual sums. Each is split over tokens.
#include "lm_vector.h"

typedef struct {
    const void *work;
    int rows, chunk;
    void (*range)(const void *work, int first, int last);
} rows_job;

static void rows_chunk(void *context, int index, int worker) {
    (void)worker;
    const rows_job *job = context;
    int first = index * job->chunk, last = first + job->chunk;
    job->range(job->work, first, last < job->rows ? last : job->rows);
}

static void over_rows(forage_pool *pool, int rows, void (*range)(const void *, int, int), const void *work) {
    // A few tokens are done before another thread would have woken.
    rows_job job = {work, rows, 8, range};
    forage_pool_run(pool, (rows + job.chunk - 1) / job.chunk, rows_chunk, &job);
}

LM_INLINE float inverse_rms(const float *x, int n, float epsilon) {
    double lanes[8] = {0};
    int i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++) lanes[j] += (double)x[i + j] * (double)x[i + j];
    for (; i < n; i++) lanes[0] += (double)x[i] * (double)x[i];
    double sum = 0;
    for (int j = 0; j < 8; j++) sum += lanes[j];
    return 1.0f / sqrtf((float)(sum / n) + epsilon);
}

LM_INLINE void norm_row(float *out, const float *x, const float *weight, int n, float epsilon) {
    float factor = inverse_rms(x, n, epsilon);
    for (int i = 0; i < n; i++) out[i] = x[i] * factor * weight[i];
}

LM_INLINE void residual_body(const forage_lm_residual *r, int first, int last) {
    for (int t = first; t < last; t++) {
        float *x = r->x + (size_t)t * (size_t)r->n;
        if (r->delta) {
            float *delta = r->delta + (size_t)t * (size_t)r->n;
            if (r->delta_weight) norm_row(delta, delta, r->delta_weight, r->n, r->epsilon);
            for (int i = 0; i < r->n; i++) x[i] += delta[i];
        }
        if (r->out) norm_row(r->out->x + (size_t)t * (size_t)r->n, x, r->weight, r->n, r->epsilon);
    }
}

typedef struct {
    const float *gate, *up;
    const forage_lm_activations *out;
    int gelu, quantise;
} gate_work;

LM_INLINE void gate_body(const gate_work *w, int first, int last) {
    size_t n = (size_t)w->out->columns, i = (size_t)first * n, end = (size_t)last * n;
    float *out = w->out->x;
    const v8 one = v8_all(1), two = v8_all(2);
    for (; i < end; i += 8) {
        float g8[8], u8[8], o8[8];
        size_t here = end - i < 8 ? end - i : 8;
        int part = here < 8;
        if (part) {
            memset(g8, 0, sizeof g8);
            memset(u8, 0, sizeof u8);
            memcpy(g8, w->gate + i, here * 4);
            memcpy(u8, w->up + i, here * 4);
        }
        v8 g = v8_load(part ? g8 : w->gate + i), u = v8_load(part ? u8 : w->up + i), y;
        if (w->gelu) {
            v8 inner = v8_all(0.79788456080286535588f) * g * (one + v8_all(0.044715f) * g * g);
            // tanh(z) = 1 - 2 / (exp(2z) + 1)
            v8 tanh = one - two / (v8_exp(two * inner) + one);
            y = v8_all(0.5f) * g * (one + tanh);
        } else {
            y = g / (one + v8_exp(-g));
        }
        v8_store(part ? o8 : out + i, y * u);
        if (part) memcpy(out + i, o8, here * 4);
    }
}

typedef struct {
    const forage_lm_step *step;
    const forage_lm_heads *heads;
} heads_work;

LM_INLINE void rotate(float *x, const float *cosines, const float *sines, int rotary, int interleaved) {
    int half = rotary / 2;
    if (interleaved) {
        for (int i = 0; i < half; i++) {
            float a = x[2 * i], b = x[2 * i + 1];
            x[2 * i] = a * cosines[i] - b * sines[i];
            x[2 * i + 1] = a * sines[i] + b * cosines[i];
        }
    } else {
        for (int i = 0; i < half; i++) {
            float a = x[i], b = x[i + half];
            x[i] = a * cosines[i] - b * sines[i];
            x[i + half] = a * sines[i] + b * cosines[i];
        }
    }
}

LM_INLINE void heads_body(const heads_work *w, int first, int last) {
    const forage_lm_step *s = w->step;
    const forage_lm_heads *h = w->heads;
    size_t size = (size_t)s->head_size;
    for (int t = first; t < last; t++) {
        const float *cosines = h->cosines + (size_t)t * (size_t)(h->rotary / 2);
        const float *sines = h->sines + (size_t)t * (size_t)(h->rotary / 2);
        for (int i = 0; i < s->heads; i++) {
            float *q = h->q + ((size_t)t * (size_t)s->heads + (size_t)i) * size;
            if (h->q_norm) norm_row(q, q, h->q_norm, s->head_size, h->epsilon);
            rotate(q, cosines, sines, h->rotary, h->interleaved);
            for (size_t d = 0; d < size; d++) q[d] *= h->q_scale;
        }
        int position = s->position[t];
        uint16_t *keys = s->pages[s->sequence[t]][position / FORAGE_LM_PAGE] + s->layer_offset;
        uint16_t *values = keys + s->value_offset;
        size_t at = (size_t)(position % FORAGE_LM_PAGE);
        for (int i = 0; i < s->kv_heads; i++) {
            float *k = h->k + ((size_t)t * (size_t)s->kv_heads + (size_t)i) * size;
            const float *v = h->v + ((size_t)t * (size_t)s->kv_heads + (size_t)i) * size;
            if (h->k_norm) norm_row(k, k, h->k_norm, s->head_size, h->epsilon);
            rotate(k, cosines, sines, h->rotary, h->interleaved);
            uint16_t *key = keys + (size_t)i * size * FORAGE_LM_PAGE;
            uint16_t *value = values + (size_t)i * size * FORAGE_LM_PAGE;
            for (size_t d = 0; d < size; d++) {
                key[d * FORAGE_LM_PAGE + at] = forage_lm_float_to_half(k[d]);
                value[at * size + d] = forage_lm_float_to_half(v[d]);
            }
        }
    }
}

LM_INLINE double log_sum_exp_body(const float *x, size_t n) {
    if (n == 0) return -INFINITY;
    float most = x[0];
    for (size_t i = 1; i < n; i++) most = x[i] > most ? x[i] : most;
    if (!(most > -INFINITY)) return most;
    double sum = 0;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        v8 part = v8_all(0);
        for (size_t j = 0; j < 64; j += 8) part += v8_exp(v8_load(x + i + j) - v8_all(most));
        sum += (double)v8_sum(part);
    }
    for (; i < n; i++) sum += exp((double)(x[i] - most));
    return (double)most + log(sum);
}

static void residual_plain(const void *w, int first, int last) { residual_body(w, first, last); }
static void gate_plain(const void *w, int first, int last) { gate_body(w, first, last); }
static void heads_plain(const void *w, int first, int last) { heads_body(w, first, last); }
#if defined(__x86_64__)
LM_AVX2 static void residual_avx2(const void *w, int first, int last) { residual_body(w, first, last); }
LM_AVX2 static void gate_avx2(const void *w, int first, int last) { gate_body(w, first, last); }
LM_AVX2 static void heads_avx2(const void *w, int first, int last) { heads_body(w, first, last); }
LM_AVX2 static double log_sum_exp_avx2(const float *x, size_t n) { return log_sum_exp_body(x, n); }
#define CHOOSE(name) (lm_has_avx2() ? name##_avx2 : name##_plain)
#else
#define CHOOSE(name) name##_plain
#endif

static void residual_range(const void *work, int first, int last) {
    const forage_lm_residual *r = work;
    CHOOSE(residual)(work, first, last);
    if (r->out && r->quantise) forage_lm_quantize_activations(r->out, first, last);
}

static void gate_range(const void *work, int first, int last) {
    const gate_work *w = work;
    CHOOSE(gate)(work, first, last);
    if (w->quantise) forage_lm_quantize_activations(w->out, first, last);
}

static void heads_range(const void *work, int first, int last) { CHOOSE(heads)(work, first, last); }

void forage_lm_add_and_norm(forage_pool *pool, const forage_lm_residual *r) {
    over_rows(pool, r->rows, residual_range, r);
}

void forage_lm_gate(
    forage_pool *pool, const float *gate, const float *up, const forage_lm_activations *out, int gelu, int quantise) {
    gate_work work = {gate, up, out, gelu, quantise};
    over_rows(pool, out->rows, gate_range, &work);
}

void forage_lm_prepare_heads(forage_pool *pool, const forage_lm_step *step, const forage_lm_heads *heads) {
    heads_work work = {step, heads};
    over_rows(pool, step->tokens, heads_range, &work);
}

double forage_lm_log_sum_exp(const float *x, size_t n) {
#if defined(__x86_64__)
    if (lm_has_avx2()) return log_sum_exp_avx2(x, n);
#endif
    return log_sum_exp_body(x, n);
}

ptrdiff_t forage_lm_argmax(const float *x, size_t n, const uint64_t *mask) {
    ptrdiff_t best = -1;
    float most = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (mask) {
            if (mask[i / 64] == 0) {
                i |= 63;
                continue;
            }
            if (!(mask[i / 64] >> (i % 64) & 1)) continue;
        }
        if (best < 0 || x[i] > most) {
            best = (ptrdiff_t)i;
            most = x[i];
        }
    }
    return best;
}
