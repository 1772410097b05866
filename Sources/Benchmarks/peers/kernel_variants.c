// SPDX-License-Identifier: Apache-2.0
// Compares the variants of the language model's products with the portable one, on processors that this machine may
// not be: see kernel_variants.sh. Prints how many results were wrong.
#include "lm_blocks.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef void (*kernel)(
    const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch);

// The variants under test; the first two must agree bit for bit.
#if defined(__aarch64__)
void quantised_with_dot(const forage_lm_activations *, const forage_lm_product *, int, int, uint8_t *);
void quantised_without_dot(const forage_lm_activations *, const forage_lm_product *, int, int, uint8_t *);
static const kernel kernels[2] = {quantised_with_dot, quantised_without_dot};
#else
static const kernel kernels[2] = {lm_multiply_avx2, lm_multiply_avx512};
#endif

enum { COLUMNS = 1024, ROWS = 53, TOKENS = 20 };
static uint64_t state = 88172645463325252u;

static float uniform(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (float)((double)(state >> 11) / 9007199254740992.0 - 0.5);
}

static double distance(const float *x, const float *y, int count) {
    double error = 0, size = 0;
    for (int i = 0; i < count; i++) {
        error += (double)(x[i] - y[i]) * (x[i] - y[i]);
        size += (double)y[i] * y[i];
    }
    return sqrt(error / size);
}

static int check(
    int type, int columns, const uint8_t *weights, const uint8_t *packed, int tokens, const float *bias,
    uint8_t *scratch) {
    static float x[TOKENS * COLUMNS], d[TOKENS * COLUMNS / 32], sum[TOKENS * COLUMNS / 32], half[TOKENS * COLUMNS / 16];
    static int8_t q[TOKENS * COLUMNS];
    static float expected[TOKENS * ROWS], found[2][TOKENS * ROWS], one[ROWS];
    int bad = 0;
    forage_lm_activations a = {tokens, columns, x, q, d, sum, half};
    for (int i = 0; i < tokens * columns; i++) x[i] = 4 * uniform();
    if (!lm_is_float(type)) forage_lm_quantize_activations(&a, 0, tokens);
    forage_lm_product p = {type, weights, ROWS, expected, ROWS, bias};
    forage_lm_matmul_portable(&a, &p);
    p.weights = packed;
    p.out = found[0];
    lm_multiply_portable(&a, &p, 0, ROWS);
    if (memcmp(found[0], expected, sizeof(float) * (size_t)(tokens * ROWS)) != 0) bad++;
    for (int k = 0; k < 2; k++) {
        p.out = found[k];
        // From a panel on that is not the first, as a thread takes it.
        kernels[k](&a, &p, 0, 16, scratch);
        kernels[k](&a, &p, 16, ROWS, scratch);
        if (distance(found[k], expected, tokens * ROWS) > 1e-5) bad++;
    }
    if (memcmp(found[0], found[1], sizeof(float) * (size_t)(tokens * ROWS)) != 0) bad++;
    // A token alone gives the bits that it gives among others.
    for (int t = 0; t < tokens; t++) {
        forage_lm_activations alone = {1, columns, x + t * columns, q + t * columns, d + t * columns / 32,
                                       sum + t * columns / 32, half + t * columns / 16};
        p.out = one;
        kernels[1](&alone, &p, 0, ROWS, scratch);
        if (memcmp(one, found[1] + t * ROWS, sizeof one) != 0) bad++;
    }
    if (bad) printf("type %d, %d tokens%s: %d wrong\n", type, tokens, bias ? ", bias" : "", bad);
    return bad;
}

int main(void) {
    static const int types[] = {0, 1, 30, 8, 2, 3, 6, 7, 12, 13, 14};
    static const int headers[] = {0, 0, 0, 2, 2, 4, 2, 4, 4, 4, 0};
    static float values[ROWS * COLUMNS], bias[ROWS];
    int bad = 0;
    uint8_t *scratch = aligned_alloc(64, forage_lm_matmul_scratch(COLUMNS));
    uint8_t *weights = aligned_alloc(64, sizeof values + 4096), *packed = aligned_alloc(64, sizeof values + 65536);
    forage_pool *pool = forage_pool_create(1);
    for (int i = 0; i < ROWS; i++) bias[i] = uniform();
    for (int n = 0; n < 11; n++) {
        int type = types[n], size = lm_block_bytes(type);
        for (int i = 0; i < ROWS * COLUMNS; i++) values[i] = 3 * uniform();
        forage_lm_quantize(type, values, weights, ROWS * COLUMNS);
        for (int pass = 0; pass < (lm_is_float(type) ? 1 : 2); pass++) {
            // Second pass: any bytes behind the scales, the extremes of levels among them.
            for (int i = 0; pass && i < ROWS * COLUMNS / lm_block_weights(type) * size; i++)
                if (type == FORAGE_LM_Q6_K ? i % size < 208 : i % size >= headers[n])
                    weights[i] = (uint8_t)(128 + 255 * uniform());
            if (!lm_is_float(type)) forage_lm_pack(pool, type, weights, ROWS, COLUMNS, packed);
            for (int tokens = 1; tokens <= 20; tokens += tokens < 10 ? 1 : 5)
                for (int biased = 0; biased < 2; biased++)
                    bad += check(
                        type, lm_is_float(type) ? COLUMNS - 4 : COLUMNS, weights, lm_is_float(type) ? weights : packed,
                        tokens, biased ? bias : NULL, scratch);
        }
    }
    printf("%d wrong\n", bad);
    return bad != 0;
}
