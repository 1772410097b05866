// SPDX-License-Identifier: Apache-2.0
// Kernels of the differentiable encoder: what stands between its matrix products, forwards and backwards, and the
// optimizer. All matrices are row-major.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// The activation between the two products of a block.
typedef enum {
    FORAGE_ACTIVATION_GELU = 0, // x * (1 + erf(x / sqrt 2)) / 2
    FORAGE_ACTIVATION_RELU = 1,
} forage_activation;

/// Normalises each row to mean 0 and variance 1 into `normal`, keeps 1/deviation in `inverse`, and writes
/// out = normal * gain + shift.
void forage_norm_forward(const float *x, size_t rows, size_t width, const float *gain, const float *shift,
                         float epsilon, float *normal, float *inverse, float *out);

/// The gradient of `forage_norm_forward`: writes dx, adds to dgain and dshift (each may be null).
void forage_norm_backward(const float *gradient, const float *normal, const float *inverse, const float *gain,
                          size_t rows, size_t width, float *dx, float *dgain, float *dshift);

/// out = activation(x).
void forage_activation_forward(const float *x, size_t count, forage_activation activation, float *out);

/// out = gradient * activation'(x); out may be gradient.
void forage_activation_backward(const float *x, const float *gradient, size_t count, forage_activation activation,
                                float *out);

/// The softmax of scale * x of the first `length` numbers of each row, in place; the rest of a row becomes 0.
void forage_softmax_rows(float *x, size_t rows, size_t length, size_t ld, float scale);

/// Replaces the gradient of `forage_softmax_rows`' results by that of its inputs.
void forage_softmax_rows_backward(const float *p, float *gradient, size_t rows, size_t length, size_t ld, float scale);

/// Copies `bias` into each of the rows.
void forage_fill_rows(const float *bias, size_t rows, size_t width, float *out, size_t ld);

/// Adds all rows to `out`.
void forage_add_column_sums(const float *x, size_t rows, size_t width, size_t ld, float *out);

/// Zeroes each number with probability `rate` and scales the others by 1/(1 - rate), in place. The same seed zeroes the
/// same places, so that the way back needs no mask.
void forage_drop(float *x, size_t count, uint32_t seed, float rate);

/// out = x times the scale of its row, of a row-major matrix
void forage_scale_rows_i8(const int8_t *x, const float *scales, size_t rows, size_t width, float *out);

/// to += factor * from
void forage_add_scaled(const float *from, size_t count, float factor, float *to);

/// One step of AdamW; `correction1` and `correction2` are 1 - beta^step.
void forage_adam(float *weights, const float *gradient, float *mean, float *square, size_t count, float rate,
                 float beta1, float beta2, float epsilon, float decay, float correction1, float correction2);
