// SPDX-License-Identifier: Apache-2.0
// Products of activations and weights: the portable reference and the split of the work over threads.
#include "lm_blocks.h"

/// `packed`: quantised weights lie in panels; otherwise as in the file.
LM_INLINE void multiply_plainly(
    const forage_lm_activations *a, const forage_lm_product *p, int first, int last, int packed) {
    int blocks = a->columns / 32;
    size_t columns = (size_t)a->columns;
    size_t row_bytes = columns / (size_t)lm_block_weights(p->type) * (size_t)lm_block_bytes(p->type);
    for (int r = first; r < last; r++) {
        const uint8_t *row = (const uint8_t *)p->weights + (size_t)r * row_bytes;
        const uint8_t *panel = (const uint8_t *)p->weights;
        if (packed) panel += (size_t)(r / 16) * lm_panel_bytes(p->type, a->columns);
        float bias = p->bias ? p->bias[r] : 0;
        for (int t = 0; t < a->rows; t++) {
            float total = 0;
            if (lm_is_float(p->type)) {
                // Eight interleaved sums, combined in the order of the vector kernels.
                float lanes[8] = {0};
                const float *x = a->x + (size_t)t * columns;
                for (size_t k = 0; k < columns; k++) lanes[k & 7] += lm_float_weight(p->type, row, k) * x[k];
                for (int i = 0; i < 4; i++) lanes[i] += lanes[i + 4];
                total = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
            } else {
                for (int b = 0; b < blocks; b++) {
                    uint8_t q[32];
                    float d[2], m[2];
                    if (packed) {
                        lm_panel_row_levels(p->type, panel, b, r % 16, q);
                        lm_panel_row_scales(p->type, panel, blocks, b, r % 16, d, m);
                    } else {
                        lm_block_levels(p->type, row, b, q);
                        lm_block_scales(p->type, row, b, d, m);
                    }
                    const int8_t *x = a->q + (size_t)t * columns + (size_t)b * 32;
                    int sums[2] = {0, 0};
                    for (int i = 0; i < 32; i++)
                        sums[i >> 4] += (lm_is_signed(p->type) ? (int)(int8_t)q[i] : (int)q[i]) * (int)x[i];
                    int at = t * blocks + b;
                    float scale = a->d[at];
                    if (lm_groups(p->type) == 2) {
                        const float *s = a->half_sum + (size_t)at * 2;
                        total += d[0] * scale * (float)sums[0] + m[0] * s[0];
                        total += d[1] * scale * (float)sums[1] + m[1] * s[1];
                    } else {
                        total += d[0] * scale * (float)(sums[0] + sums[1]);
                        total += m[0] * lm_block_sum(p->type, a, at);
                    }
                }
            }
            p->out[(ptrdiff_t)t * p->out_stride + r] = total + bias;
        }
    }
}

void lm_multiply_portable(const forage_lm_activations *a, const forage_lm_product *p, int first, int last) {
    multiply_plainly(a, p, first, last, lm_is_packed(p->type));
}

#define MOST_PRODUCTS 8

typedef void (*multiply_kernel)(
    const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch);

typedef struct {
    const forage_lm_activations *a;
    const forage_lm_product *products;
    int count, chunk;
    int starts[MOST_PRODUCTS + 1]; // the first chunk of each product
    uint8_t *scratch;
    size_t scratch_stride;
    multiply_kernel kernel; // NULL: the portable one
} multiply_job;

static multiply_kernel best_kernel(void) {
#if defined(__x86_64__)
    if (lm_has_avx512_vnni()) return lm_multiply_avx512;
    if (lm_has_avx2()) return lm_multiply_avx2;
#elif defined(__aarch64__)
    return lm_multiply_neon;
#endif
    return NULL;
}

static void multiply_chunk(void *context, int index, int worker) {
    const multiply_job *job = context;
    int which = 0;
    while (index >= job->starts[which + 1]) which++;
    const forage_lm_product *p = job->products + which;
    int first = (index - job->starts[which]) * job->chunk, last = first + job->chunk;
    if (last > p->rows) last = p->rows;
    if (job->kernel) job->kernel(job->a, p, first, last, job->scratch + (size_t)worker * job->scratch_stride);
    else lm_multiply_portable(job->a, p, first, last);
}

size_t forage_lm_matmul_scratch(int columns) { return ((size_t)columns * 24 + 4096 + 63) / 64 * 64; }

void forage_lm_matmul(
    forage_pool *pool, const forage_lm_activations *a, const forage_lm_product *products, int count, void *scratch) {
    multiply_job job = {.a = a, .products = products, .count = count, .scratch = scratch};
    if (count > MOST_PRODUCTS) {
        forage_lm_matmul(pool, a, products, MOST_PRODUCTS, scratch);
        forage_lm_matmul(pool, a, products + MOST_PRODUCTS, count - MOST_PRODUCTS, scratch);
        return;
    }
    job.scratch_stride = forage_lm_matmul_scratch(a->columns);
    job.kernel = best_kernel();
    int rows = 0;
    for (int i = 0; i < count; i++) rows += products[i].rows;
    // Small enough that both threads end together, large enough that taking a chunk costs nothing.
    int chunk = rows / (forage_pool_threads(pool) * 8) / 16 * 16;
    job.chunk = chunk < 16 ? 16 : chunk > 512 ? 512 : chunk;
    for (int i = 0; i < count; i++)
        job.starts[i + 1] = job.starts[i] + (products[i].rows + job.chunk - 1) / job.chunk;
    forage_pool_run(pool, job.starts[count], multiply_chunk, &job);
}

void forage_lm_matmul_portable(const forage_lm_activations *a, const forage_lm_product *product) {
    multiply_plainly(a, product, 0, product->rows, 0);
}
