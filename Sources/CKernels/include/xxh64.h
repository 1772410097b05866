// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

/// xxHash's 64-bit variant (XXH64) of `count` bytes, which need not be aligned.
uint64_t forage_xxh64(const void *bytes, size_t count, uint64_t seed);
