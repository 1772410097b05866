// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli polynomial, reflected, as in iSCSI) of `count` bytes, continuing from `previous` (0 at first).
uint32_t forage_crc32c(uint32_t previous, const void *bytes, size_t count);
