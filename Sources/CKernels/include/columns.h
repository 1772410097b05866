// SPDX-License-Identifier: Apache-2.0
// Scans of dictionary-encoded metadata columns: filters to bitmaps, and grouped accumulation.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// How a scan's bits meet those that the bitmap has.
typedef enum {
    FORAGE_BITS_SET = 0, // replace
    FORAGE_BITS_AND = 1, // keep those that match as well
    FORAGE_BITS_OR = 2,  // add those that match
} forage_bits_mode;

/// Sets bit i of `bits` where low <= codes[i] <= high. `bits` has (count + 63) / 64 words; bits past the end become 0.
void forage_scan_codes8(const uint8_t *codes, size_t count, uint8_t low, uint8_t high, uint64_t *bits, forage_bits_mode mode);
void forage_scan_codes16(const uint16_t *codes, size_t count, uint16_t low, uint16_t high, uint64_t *bits, forage_bits_mode mode);
void forage_scan_codes32(const uint32_t *codes, size_t count, uint32_t low, uint32_t high, uint64_t *bits, forage_bits_mode mode);

/// The number of bits set.
size_t forage_bits_count(const uint64_t *bits, size_t words);

/// Writes the places of the bits set, ascending, from word `from` on; at most `limit`. Returns how many.
size_t forage_bits_list(const uint64_t *bits, size_t words, uint32_t *places, size_t limit);

/// counts[codes[i]] += 1 for every i, or for those whose bit is set when `bits` is not null.
void forage_count_codes8(const uint8_t *codes, size_t count, const uint64_t *bits, uint32_t *counts);
void forage_count_codes16(const uint16_t *codes, size_t count, const uint64_t *bits, uint32_t *counts);
void forage_count_codes32(const uint32_t *codes, size_t count, const uint64_t *bits, uint32_t *counts);

/// What is gathered of the numbers of one group.
typedef struct {
    uint64_t count;
    double sum;
    double least;
    double greatest;
} forage_group;

/// Makes `groups` empty: counts and sums 0, least +inf, greatest -inf.
void forage_groups_clear(forage_group *groups, size_t count);

/// Adds values[i] to groups[keys[i]] for every i. A value that is NaN is no value and passed over.
void forage_groups_add(const uint32_t *keys, const double *values, size_t count, forage_group *groups);

/// Sum, least, greatest and number of the values (of those whose bit is set, when `bits` is not null); NaN is passed over.
void forage_values_total(const double *values, size_t count, const uint64_t *bits, forage_group *total);

/// keys[i] = keys[i] * radix + key, where key is the code of document places[i] (of document i when `places` is null),
/// looked up in `table` unless that is null.
void forage_keys_combine8(const uint8_t *codes, const uint32_t *places, size_t count, const uint32_t *table, uint32_t radix,
                          uint32_t *keys);
void forage_keys_combine16(const uint16_t *codes, const uint32_t *places, size_t count, const uint32_t *table, uint32_t radix,
                           uint32_t *keys);
void forage_keys_combine32(const uint32_t *codes, const uint32_t *places, size_t count, const uint32_t *table, uint32_t radix,
                           uint32_t *keys);

/// out[i] = table[code of document places[i]] (of document i when `places` is null).
void forage_values_lookup8(const uint8_t *codes, const uint32_t *places, size_t count, const double *table, double *out);
void forage_values_lookup16(const uint16_t *codes, const uint32_t *places, size_t count, const double *table, double *out);
void forage_values_lookup32(const uint32_t *codes, const uint32_t *places, size_t count, const double *table, double *out);

/// out[i] = values[places[i]].
void forage_values_gather(const double *values, const uint32_t *places, size_t count, double *out);

/// counts[keys[i]] += 1 for every i.
void forage_groups_count(const uint32_t *keys, size_t count, uint64_t *counts);

/// What is gathered where neither least nor greatest is asked for.
typedef struct {
    uint64_t count;
    double sum;
} forage_group_sum;

/// As `forage_groups_add`, for number and sum alone.
void forage_groups_sum(const uint32_t *keys, const double *values, size_t count, forage_group_sum *groups);
