// SPDX-License-Identifier: Apache-2.0
// Kernels of the differentiable decoder, beside those of training_kernels.h, and of the low-rank products that an adapter
// adds to the fast pass. All matrices are row-major.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "lm_kernels.h"

/// out = x / rms(x) * gain of each row; keeps 1/rms in `inverse`.
void forage_rms_norm_forward(const float *x, size_t rows, size_t width, const float *gain, float epsilon,
                             float *inverse, float *out);
/// The gradient of `forage_rms_norm_forward`: adds to dx, and to dgain where that is not null.
void forage_rms_norm_backward(const float *gradient, const float *x, const float *inverse, const float *gain,
                              size_t rows, size_t width, float *dx, float *dgain);

/// out = silu(gate) * up.
void forage_gate_forward(const float *gate, const float *up, size_t count, float *out);
/// The gradients of `forage_gate_forward`; dgate and dup are written, and may not be gradient.
void forage_gate_backward(const float *gate, const float *up, const float *gradient, size_t count, float *dgate,
                          float *dup);

/// Rotates the first `rotary` numbers of each of `heads` heads of each row, in place. cosines and sines: rows x rotary/2.
/// The way back rotates by the negative angle: `direction` -1.
void forage_rotate(float *x, size_t rows, size_t ld, size_t heads, size_t head_size, size_t rotary, int interleaved,
                   const float *cosines, const float *sines, float direction);

/// The softmax of scale * x of the first `first` + i + 1 numbers of row i, in place; the rest up to `columns` becomes 0.
void forage_softmax_causal(float *x, size_t rows, size_t first, size_t columns, size_t ld, float scale);

/// For each row of logits: the log-probability of its target, log(sum(exp)), and the entropy of the distribution in nats.
void forage_target_log_probabilities(const float *logits, size_t rows, size_t count, const int32_t *targets,
                                     float *log_probabilities, float *log_sums, float *entropies);
/// Replaces logits by the gradient of the targets' log-probabilities, each row times its pull.
void forage_target_gradient(float *logits, size_t rows, size_t count, const int32_t *targets, const float *log_sums,
                            const float *pulls);

/// What an adapter adds to a product: out[token] += B hidden[token], with B in half precision and hidden = A x[token], which
/// is a product as any other.
typedef struct {
    int rank;                 // columns of B, at most FORAGE_LOW_RANK_MOST
    int rows;                 // of the product
    const float *hidden;
    ptrdiff_t hidden_stride;  // floats between tokens
    const uint16_t *b;        // rank x rows: B transposed, times the adapter's scale
    float *out;
    ptrdiff_t out_stride;     // floats between tokens
} forage_low_rank;
#define FORAGE_LOW_RANK_MOST 256

/// Adds the low-rank products of some tokens. The result of a token does not depend on the other tokens of the call, bit
/// for bit.
void forage_low_rank_add(forage_pool *pool, int tokens, const forage_low_rank *products, int count);
