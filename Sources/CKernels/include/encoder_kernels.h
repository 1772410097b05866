// SPDX-License-Identifier: Apache-2.0
// Kernels of transformer encoders: products with weights packed once, attention over sequences without padding,
// layer norm, and the same products on 8-bit integers. All matrices are row-major; `ld...` is the distance between
// rows in elements.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// What is done to a product after its bias was added.
typedef enum {
    FORAGE_EPILOGUE_NONE = 0,
    FORAGE_EPILOGUE_GELU = 1, // x * (1 + erf(x / sqrt 2)) / 2
    FORAGE_EPILOGUE_TANH = 2,
    FORAGE_EPILOGUE_RELU = 3,
} forage_epilogue;

/// Columns of one panel of a packed matrix.
#define FORAGE_PANEL 16

/// Floats that `forage_pack_f32` writes for `columns` outputs of `depth` inputs.
size_t forage_packed_f32_size(size_t columns, size_t depth);

/// Packs weights given as `columns` rows of `depth` (as linear layers store them) into panels of 16 columns.
void forage_pack_f32(const float *weights, size_t ldw, size_t columns, size_t depth, float *packed);

/// c = epilogue(a · packedᵀ + bias) for `rows` rows and the panels `first_panel ..< last_panel` of `columns` columns.
/// `bias` may be null.
void forage_gemm_f32(const float *a, size_t lda, size_t rows, const float *packed, size_t columns, size_t depth,
                     size_t first_panel, size_t last_panel, const float *bias, forage_epilogue epilogue, float *c,
                     size_t ldc);

/// Layer norm of the sum of x and residual (may be null): out = (s - mean) / sqrt(var + epsilon) * gain + shift.
void forage_layer_norm(const float *x, const float *residual, size_t rows, size_t width, const float *gain,
                       const float *shift, float epsilon, float *out);

/// Floats of scratch memory that `forage_attention` needs for a sequence.
size_t forage_attention_scratch(size_t length, size_t head_width);

/// Self-attention of one sequence for the heads `first_head ..< last_head`. A row of `qkv` holds the queries (already
/// scaled by 1/sqrt(head_width)), keys and values of all heads, `width` each; a row of `out` holds `width` results.
void forage_attention(const float *qkv, size_t ldqkv, size_t length, size_t width, size_t head_width,
                      size_t first_head, size_t last_head, float *out, size_t ldout, float *scratch);

/// As `forage_attention`, where the weight from token i to token j gets `bias[head][reach - 1 + j - i]` added before the
/// softmax: `2 * reach - 1` numbers a head, for sequences of at most `reach` tokens. `bias` may be null.
void forage_attention_biased(const float *qkv, size_t ldqkv, size_t length, size_t width, size_t head_width,
                             size_t first_head, size_t last_head, const float *bias, size_t reach, float *out,
                             size_t ldout, float *scratch);

/// Bytes that `forage_pack_i8` writes.
size_t forage_packed_i8_size(size_t columns, size_t depth);

/// Packs weights as 8-bit integers with one scale a column. `input_scales` (may be null) multiplies each input's
/// weights: rows must then be quantised with its inverse. `scales` and `sums` (of the integers of a column) have room
/// for the columns rounded up to whole panels. Where neighbouring weights of one sign are so large that sums of
/// products would leave 16 bits, the largest are reduced. Wide weights have one bit more and cost a third more time.
void forage_pack_i8(const float *weights, size_t ldw, size_t columns, size_t depth, const float *input_scales,
                    int is_wide, int8_t *packed, float *scales, int32_t *sums);

/// The distance between rows of quantised inputs: depth rounded up to 8.
size_t forage_quantised_stride(size_t depth);

/// Quantises rows to 8 unsigned bits: x * input_factors ≈ low + step * q, with low and step for each row.
/// `input_factors` may be null.
void forage_quantise_rows(const float *x, size_t ldx, size_t rows, size_t depth, const float *input_factors,
                          uint8_t *q, float *low, float *step);

/// As `forage_gemm_f32` with rows from `forage_quantise_rows` and weights from `forage_pack_i8`.
void forage_gemm_i8(const uint8_t *q, const float *low, const float *step, size_t rows, const int8_t *packed,
                    int is_wide, const float *scales, const int32_t *sums, size_t columns, size_t depth, size_t first_panel,
                    size_t last_panel, const float *bias, forage_epilogue epilogue, float *c, size_t ldc);
