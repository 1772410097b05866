// SPDX-License-Identifier: Apache-2.0
// The kernels of the in-process language model: quantised matrices, attention on a paged cache, small vector work.
#pragma once
#include "lm_types.h"
#include <stddef.h>
#include <stdint.h>

/// Weights in one block of the type; 0 for a type that is not supported.
int forage_lm_block_weights(int type);
/// Bytes of one block of the type; 0 for a type that is not supported.
int forage_lm_block_bytes(int type);

/// Writes `count` weights (a multiple of the block) as floats.
void forage_lm_dequantize(int type, const void *source, float *out, size_t count);
/// Writes `count` floats in a type of the table, by simple rounding. For tests and benchmarks; returns 0 when the type is
/// not supported.
int forage_lm_quantize(int type, const float *source, void *out, size_t count);

/// Bytes of a quantised matrix laid out as panels of sixteen rows, which is what its products are taken of: those of the
/// file's blocks, with the rows rounded up to sixteen. 0 for float types, whose products are taken of the file's rows.
size_t forage_lm_packed_bytes(int type, int rows, int columns);

/// Half-precision conversions, round to nearest even.
uint16_t forage_lm_float_to_half(float value);
float forage_lm_half_to_float(uint16_t half);

/// Worker threads that stay alive between calls. The calling thread works too, and never waits for a worker that has
/// not started: a machine that is busy with something else slows the work down but does not stall it.
typedef struct forage_pool forage_pool;
forage_pool *forage_pool_create(int threads);
void forage_pool_destroy(forage_pool *pool);
int forage_pool_threads(const forage_pool *pool);
/// Runs body(context, i, worker) for each i in 0..<count; `worker` is below the number of threads. One call at a time.
void forage_pool_run(forage_pool *pool, int count, void (*body)(void *context, int index, int worker), void *context);

/// Lays a quantised matrix of a file out as panels. `columns` is a multiple of the block; `out` holds
/// forage_lm_packed_bytes(...) bytes, aligned to 64.
void forage_lm_pack(forage_pool *pool, int type, const void *source, int rows, int columns, void *out);
/// Memory for panels, of large pages where the system has them, which save a search for each page that a product passes
/// over. NULL when there is none. Freed with forage_lm_panel_memory_free and the same size.
void *forage_lm_panel_memory(size_t bytes);
void forage_lm_panel_memory_free(void *memory, size_t bytes);

/// The rows of activations that matrices are multiplied by: floats and, per 32 of them, 8-bit integers with a scale.
typedef struct {
    int rows;           // tokens
    int columns;        // a multiple of 32 when any matrix is quantised
    float *x;           // rows x columns
    int8_t *q;          // rows x columns
    float *d;           // rows x columns/32: the scale
    float *sum;         // rows x columns/32: scale times the sum of the integers
    float *half_sum;    // rows x columns/16: the same for halves of a block
} forage_lm_activations;

/// Fills q, d, sum and half_sum of rows first..<last from x.
void forage_lm_quantize_activations(const forage_lm_activations *a, int first, int last);

/// One product: out[token][row] = sum over k of weights[row][k] x[token][k].
typedef struct {
    int type;
    const void *weights;  // panels of forage_lm_pack, or the file's rows of a float type
    int rows;
    float *out;
    ptrdiff_t out_stride; // floats between tokens
    const float *bias;    // of `rows` entries, or NULL
} forage_lm_product;

/// Multiplies the same activations by several matrices. The result of a token does not depend on the other tokens of
/// the call, bit for bit, so that a batch, a cached prefix and a single sequence agree.
/// `scratch` holds forage_lm_matmul_scratch(columns) bytes for each thread of the pool, aligned to 64.
void forage_lm_matmul(
    forage_pool *pool, const forage_lm_activations *a, const forage_lm_product *products, int count, void *scratch);
size_t forage_lm_matmul_scratch(int columns);
/// The same product by the portable reference, on the calling thread, of weights as the file has them.
void forage_lm_matmul_portable(const forage_lm_activations *a, const forage_lm_product *product);

/// Tokens of one page of the key-value cache.
#define FORAGE_LM_PAGE 32

/// The tokens of one step and the pages of their sequences.
typedef struct {
    int tokens, heads, kv_heads, head_size;
    /// Per token: which sequence it belongs to, and its position in it. Tokens of a sequence stand together.
    const int32_t *sequence;
    const int32_t *position;
    /// Per sequence: its pages. A page holds, for each layer, keys [kv_head][head_size][32] then values
    /// [kv_head][32][head_size], in half precision.
    uint16_t *const *const *pages;
    size_t layer_offset; // halves from the start of a page to this layer's keys
    size_t value_offset; // halves from the keys to the values
} forage_lm_step;

/// What happens to queries and keys before attention: an optional norm of each head, and rotation.
typedef struct {
    float *q, *k;            // tokens x heads x head_size, tokens x kv_heads x head_size
    const float *v;          // tokens x kv_heads x head_size
    const float *q_norm;     // head_size weights, or NULL
    const float *k_norm;
    float epsilon;
    int rotary;              // entries of a head that are rotated
    int interleaved;         // pairs (2i, 2i+1); otherwise (i, i + rotary/2)
    const float *cosines;    // tokens x rotary/2
    const float *sines;
    float q_scale;           // factor of the rotated queries: 1/sqrt(head_size)
} forage_lm_heads;

/// Norms and rotates queries and keys in place, and writes keys and values into the pages.
void forage_lm_prepare_heads(forage_pool *pool, const forage_lm_step *step, const forage_lm_heads *heads);

/// Causal attention with an online softmax (Milakov and Gimelshein 2018; Dao et al. 2022), page by page, over at most
/// the last `window` positions (0: all). q and out: tokens x heads x head_size; head_size is a multiple of 8.
/// `scratch` holds forage_lm_attention_scratch(...) bytes for each thread, aligned to 64.
void forage_lm_attend(
    forage_pool *pool, const forage_lm_step *step, const float *q, float *out, int window, void *scratch);
size_t forage_lm_attention_scratch(int heads, int kv_heads, int head_size);

/// The residual stream between two layers: x += delta (normed by `delta_weight` first where that is not NULL), then
/// out->x = x / rms(x) * weight, quantised when `quantise`. out may be NULL.
typedef struct {
    float *x;                   // rows x n
    float *delta;               // rows x n, or NULL
    const float *delta_weight;
    const float *weight;
    float epsilon;
    int rows, n, quantise;
    const forage_lm_activations *out;
} forage_lm_residual;
void forage_lm_add_and_norm(forage_pool *pool, const forage_lm_residual *r);

/// out->x = silu(gate) * up, or gelu(gate) * up in its tanh form; quantised when `quantise`.
void forage_lm_gate(
    forage_pool *pool, const float *gate, const float *up, const forage_lm_activations *out, int gelu, int quantise);

/// log(sum(exp(x))).
double forage_lm_log_sum_exp(const float *x, size_t n);
/// The index of the largest entry, the first of equals. Entries whose bit in `mask` is 0 are skipped; mask may be
/// NULL. -1 when none is left.
ptrdiff_t forage_lm_argmax(const float *x, size_t n, const uint64_t *mask);
