// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

/// The suffixes of a text in order, as places (induced sorting: Nong, Zhang and Chan, 2009). O(count) time; about nine
/// bytes for each byte of text while it works.
///
/// - suffixes: `count` places, written.
/// Returns 0 when memory ran out.
int forage_suffix_array(const uint8_t *_Nonnull text, int32_t *_Nonnull suffixes, int32_t count);

/// Narrows a range of suffixes, which share their first `depth` bytes, to those that have `byte` after these.
///
/// - low, high: the range, upper bound exclusive; an empty one where there are none.
void forage_suffix_narrow(const uint8_t *_Nonnull text, const int32_t *_Nonnull suffixes, int32_t count, int32_t depth,
                          uint8_t byte, int32_t *_Nonnull low, int32_t *_Nonnull high);
