// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

/// For each of `query_count` query tokens the largest similarity to any of `count` passage tokens (MaxSim). Tokens are
/// rows of `dimension` signed bytes in -127...127 with one scale a row: similarity = scale * scale * sum of products.
/// `best` gets -infinity where there is no passage token.
void forage_maxsim_i8(const int8_t *query, const float *query_scales, size_t query_count, const int8_t *tokens,
                      const float *token_scales, size_t count, size_t dimension, float *best);
