// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Inner products of a query with the rows first..<first+count of a row-major matrix of float32.
void forage_dot_rows_f32(const float *rows, size_t count, size_t dimension, const float *query, float *products);
/// The same with rows of IEEE half precision.
void forage_dot_rows_f16(const uint16_t *rows, size_t count, size_t dimension, const float *query, float *products);
/// The same with rows of int8: the integer products of the row with a query of int16 (|value| <= 127), times `scale` and
/// the row's own scale. `dimension` is at most 65,536.
void forage_dot_rows_i8(const int8_t *rows, const float *row_scales, size_t count, size_t dimension,
                        const int16_t *query, float scale, float *products);

/// Inner products of a query with the rows named by `ordinals`.
void forage_dot_gather_f32(const float *rows, const uint32_t *ordinals, size_t count, size_t dimension,
                           const float *query, float *products);

/// The inner product of two vectors, added up as in `forage_dot_rows_f32`.
float forage_dot(const float *a, const float *b, size_t dimension);

/// Rounds to half precision, nearest even.
void forage_convert_to_f16(const float *values, size_t count, uint16_t *halves);
/// Scales a vector to -127...127 and rounds it; returns the scale that undoes it (0 for a zero vector).
float forage_quantize_i8(const float *values, size_t count, int8_t *quantized);

/// Keeps the largest scores, ties by the lower ordinal, in a heap of `capacity` keys of which `*held` are in use.
/// The ordinal of score i is `ordinals[i]`, or first + i when `ordinals` is NULL. NaN counts as the least score.
void forage_top_offer(const float *scores, size_t count, uint32_t first, const uint32_t *ordinals, uint64_t *heap,
                      size_t *held, size_t capacity);
/// Sorts the heap, best first, and takes its keys apart.
void forage_top_finish(uint64_t *heap, size_t held, uint32_t *ordinals, float *scores);
