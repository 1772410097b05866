// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

/// The inner product of a query with each of `count` rows of `dimension` floats, row-major.
void forage_dot_rows(const float *query, const float *rows, size_t count, size_t dimension, float *products);

/// The inner product of two vectors. The sum is taken in the same order as in `forage_dot_rows`, so that a row alone
/// gives the same bits as within a scan.
float forage_dot(const float *left, const float *right, size_t dimension);
