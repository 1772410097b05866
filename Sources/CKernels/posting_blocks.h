// SPDX-License-Identifier: Apache-2.0
// Blocks of postings: bit packing in four lanes (value i in lane i % 4), and their decoding. Shared by the search and
// the encoder; all of it is inlined, so that each variant of the search gets its own instructions.
#pragma once
#include "keyword_kernels.h"
#include <string.h>

#define BLOCK FORAGE_POSTING_BLOCK
#define INLINE static inline __attribute__((always_inline))

typedef uint32_t lanes __attribute__((vector_size(16)));

/// A list with its skip entries.
typedef struct {
    const uint8_t *data; // where the blocks start
    const uint32_t *block_last;
    const float *block_max;
    const uint32_t *block_offset; // NULL for a list of one block
    uint64_t size;                // bytes from `data` on
    uint32_t block_count, posting_count;
} posting_view;

INLINE uint32_t bits_of(uint32_t value) { return value == 0 ? 0 : 32 - (uint32_t)__builtin_clz(value); }

INLINE lanes load_lanes(const uint8_t *bytes) {
    lanes value;
    memcpy(&value, bytes, 16);
    return value;
}

/// With a constant number of bits this unrolls to loads, shifts and masks.
INLINE void unpack_constant(const uint8_t *packed, const uint32_t bits, uint32_t *values) {
    const uint32_t mask = bits == 32 ? UINT32_MAX : (1u << bits) - 1;
#pragma clang loop unroll(full)
    for (uint32_t group = 0; group < 32; group++) {
        const uint32_t position = group * bits, word = position / 32, shift = position % 32;
        lanes value = load_lanes(packed + word * 16) >> shift;
        if (shift + bits > 32) value |= load_lanes(packed + word * 16 + 16) << (32 - shift);
        value &= mask;
        memcpy(values + group * 4, &value, 16);
    }
}

INLINE void unpack(const uint8_t *packed, uint32_t bits, uint32_t *values) {
#define CASE(n) case n: unpack_constant(packed, n, values); break;
    switch (bits) {
    case 0: memset(values, 0, 4 * BLOCK); break;
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13)
    CASE(14) CASE(15) CASE(16) CASE(17) CASE(18) CASE(19) CASE(20) CASE(21) CASE(22) CASE(23) CASE(24) CASE(25)
    CASE(26) CASE(27) CASE(28) CASE(29) CASE(30) CASE(31)
    default: memcpy(values, packed, 4 * BLOCK); break;
    }
#undef CASE
}

/// Reads a variable-length number; returns 0 at the end of the bytes.
INLINE int read_number(const uint8_t *bytes, uint64_t size, uint64_t *at, uint32_t *number) {
    uint32_t value = 0, shift = 0;
    for (;;) {
        if (*at >= size || shift > 28) return 0;
        uint8_t byte = bytes[(*at)++];
        value |= (uint32_t)(byte & 0x7F) << shift;
        if (byte < 0x80) break;
        shift += 7;
    }
    *number = value;
    return 1;
}

INLINE float norm_of(const forage_norms *norms, uint32_t passage) {
    return norms->table[norms->wide ? norms->wide[passage] : norms->narrow[passage]];
}

/// Reads a posting of a short list: the gap to the previous one and the frequency. Returns 0 at the end of the bytes.
INLINE int read_posting(const uint8_t *bytes, uint64_t size, uint64_t *at, uint32_t *gap, uint32_t *frequency) {
    uint64_t value = 0;
    uint32_t shift = 0;
    for (;;) {
        if (*at >= size || shift > 28) return 0;
        uint8_t byte = bytes[(*at)++];
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) break;
        shift += 7;
    }
    *gap = (uint32_t)(value >> 1);
    *frequency = 1;
    if (value & 1) return 1;
    if (!read_number(bytes, size, at, frequency)) return 0;
    *frequency += 2;
    return 1;
}

/// The parts of a full block.
typedef struct {
    const uint8_t *gaps, *frequencies, *gap_exceptions, *frequency_exceptions;
    uint32_t gap_bits, frequency_bits, gap_exception_count, frequency_exception_count;
} block_parts;

#define HAS_EXCEPTIONS 64u

/// Finds the parts of a full block, two bytes or more; returns how many bytes it should have.
INLINE uint64_t find_parts(const uint8_t *bytes, block_parts *parts) {
    uint32_t gap_bits = bytes[0], frequency_bits = bytes[1], head = 2;
    parts->gap_exception_count = gap_bits & HAS_EXCEPTIONS ? bytes[head++] : 0;
    parts->frequency_exception_count = frequency_bits & HAS_EXCEPTIONS ? bytes[head++] : 0;
    parts->gap_bits = gap_bits & ~HAS_EXCEPTIONS;
    parts->frequency_bits = frequency_bits & ~HAS_EXCEPTIONS;
    parts->gaps = bytes + head;
    parts->frequencies = parts->gaps + 16 * (uint64_t)parts->gap_bits;
    parts->gap_exceptions = parts->frequencies + 16 * (uint64_t)parts->frequency_bits;
    parts->frequency_exceptions = parts->gap_exceptions + 2 * parts->gap_exception_count;
    return (uint64_t)(parts->frequency_exceptions - bytes) + 2 * parts->frequency_exception_count;
}

INLINE void patch(const uint8_t *exceptions, uint32_t count, uint32_t bits, uint32_t *values) {
    for (uint32_t i = 0; i < count; i++)
        values[exceptions[2 * i] % BLOCK] |= (uint32_t)exceptions[2 * i + 1] << (bits % 32);
}

/// Finds the skip entries of a list and checks that they lie within it.
INLINE int open_view(posting_view *view, const forage_posting_list *list, uint32_t passage_count) {
    uint32_t count = list->posting_count;
    if (count == 0 || count > passage_count) return 0;
    view->posting_count = count;
    view->block_count = (count + BLOCK - 1) / BLOCK;
    if (count <= BLOCK) {
        view->data = list->data;
        view->size = list->size;
        view->block_offset = NULL;
        view->block_last = NULL;
        view->block_max = NULL;
        return 1;
    }
    uint64_t head = (uint64_t)view->block_count * 12 + 4;
    if (list->size < head || ((uintptr_t)list->data & 3) != 0) return 0;
    view->block_last = (const uint32_t *)list->data;
    view->block_max = (const float *)(view->block_last + view->block_count);
    view->block_offset = (const uint32_t *)(view->block_max + view->block_count);
    view->data = list->data + head;
    view->size = list->size - head;
    return view->block_last[view->block_count - 1] < passage_count;
}

/// The bytes of a block; returns 0 when they lie outside of the list.
INLINE int block_bytes(const posting_view *view, uint32_t block, const uint8_t **bytes, uint64_t *size) {
    if (!view->block_offset) {
        *bytes = view->data;
        *size = view->size;
        return 1;
    }
    uint32_t start = view->block_offset[block], end = view->block_offset[block + 1];
    if (start > end || end > view->size) return 0;
    *bytes = view->data + start;
    *size = end - start;
    return 1;
}

INLINE uint32_t count_in_block(const posting_view *view, uint32_t block) {
    return block + 1 < view->block_count ? BLOCK : view->posting_count - block * BLOCK;
}

/// Decodes the passages of a block. Returns how many there are, 0 when the block is damaged; all are below
/// `passage_count`.
INLINE uint32_t decode_passages(const posting_view *view, uint32_t block, uint32_t passage_count, uint32_t *passages) {
    const uint8_t *bytes;
    uint64_t size;
    uint32_t count = count_in_block(view, block);
    if (!block_bytes(view, block, &bytes, &size)) return 0;
    uint32_t previous = block == 0 ? UINT32_MAX : view->block_last[block - 1];
    if (count < BLOCK || !view->block_offset) {
        uint64_t at = 0;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t gap, frequency;
            if (!read_posting(bytes, size, &at, &gap, &frequency)) return 0;
            previous += gap + 1;
            if (previous >= passage_count || (i > 0 && previous <= passages[i - 1])) return 0;
            passages[i] = previous;
        }
        return count;
    }
    block_parts parts;
    if (size < 4 && !(size == 2 && bytes[0] == 0 && bytes[1] == 0)) return 0;
    if (find_parts(bytes, &parts) != size || parts.gap_bits > 32 || parts.frequency_bits > 32) return 0;
    unpack(parts.gaps, parts.gap_bits, passages);
    patch(parts.gap_exceptions, parts.gap_exception_count, parts.gap_bits, passages);
    lanes base = {previous, previous, previous, previous};
    const lanes steps = {1, 2, 3, 4}, zero = {0, 0, 0, 0};
    for (uint32_t i = 0; i < BLOCK; i += 4) {
        lanes gaps;
        memcpy(&gaps, passages + i, 16);
        gaps += __builtin_shufflevector(zero, gaps, 0, 4, 5, 6);
        gaps += __builtin_shufflevector(zero, gaps, 0, 1, 4, 5);
        lanes sums = base + gaps + steps;
        memcpy(passages + i, &sums, 16);
        base = __builtin_shufflevector(sums, sums, 3, 3, 3, 3);
    }
    // Whoever made the file: every passage stands after the one before, the last is the one in the skip entry. Callers
    // take places in windows from passages without a look.
    uint32_t disorder = block > 0 && passages[0] <= previous;
    for (uint32_t i = 1; i < BLOCK; i++) disorder |= passages[i] <= passages[i - 1];
    if (disorder || passages[BLOCK - 1] != view->block_last[block] || passages[BLOCK - 1] >= passage_count) return 0;
    return BLOCK;
}

/// Decodes the frequencies of a block of `count` postings whose passages were decoded. Returns 0 when it is damaged.
INLINE int decode_frequencies(const posting_view *view, uint32_t block, uint32_t count, uint32_t *frequencies) {
    const uint8_t *bytes;
    uint64_t size;
    if (!block_bytes(view, block, &bytes, &size)) return 0;
    if (count < BLOCK || !view->block_offset) {
        uint64_t at = 0;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t gap;
            if (!read_posting(bytes, size, &at, &gap, &frequencies[i])) return 0;
        }
        return 1;
    }
    block_parts parts;
    find_parts(bytes, &parts);
    unpack(parts.frequencies, parts.frequency_bits, frequencies);
    patch(parts.frequency_exceptions, parts.frequency_exception_count, parts.frequency_bits, frequencies);
    for (uint32_t i = 0; i < BLOCK; i++) frequencies[i] += 1;
    return 1;
}

/// The frequency at one place of a block whose passages were decoded.
INLINE int one_frequency(const posting_view *view, uint32_t block, uint32_t position, uint32_t count,
                         uint32_t *frequency) {
    if (count < BLOCK || !view->block_offset) {
        uint32_t frequencies[BLOCK];
        if (!decode_frequencies(view, block, count, frequencies)) return 0;
        *frequency = frequencies[position];
        return 1;
    }
    const uint8_t *bytes = view->data + view->block_offset[block];
    if (bytes[1] == 0) {
        *frequency = 1;
        return 1;
    }
    block_parts parts;
    find_parts(bytes, &parts);
    uint32_t bits = parts.frequency_bits, value = 0;
    if (bits > 0) {
        const uint8_t *packed = parts.frequencies + 4 * (position % 4);
        uint32_t start = position / 4 * bits, word = start / 32, shift = start % 32, low, high = 0;
        memcpy(&low, packed + word * 16, 4);
        if (shift + bits > 32) memcpy(&high, packed + word * 16 + 16, 4);
        uint64_t both = (uint64_t)high << 32 | low;
        value = (uint32_t)(both >> shift) & (bits == 32 ? UINT32_MAX : (1u << bits) - 1);
    }
    const uint8_t *exceptions = parts.frequency_exceptions;
    for (uint32_t i = 0; i < parts.frequency_exception_count; i++)
        if (exceptions[2 * i] % BLOCK == position) value |= (uint32_t)exceptions[2 * i + 1] << (bits % 32);
    *frequency = value + 1;
    return 1;
}

/// The first block from `from` on whose last passage is at least `passage`; block_count when there is none.
INLINE uint32_t seek_block(const posting_view *view, uint32_t from, uint32_t passage) {
    const uint32_t *last = view->block_last;
    uint32_t count = view->block_count;
    if (from >= count || last[from] >= passage) return from;
    uint32_t low = from + 1, high = from + 1, step = 1;
    while (high < count && last[high] < passage) {
        low = high + 1;
        high += step;
        step *= 2;
    }
    if (high > count) high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (last[middle] < passage) low = middle + 1;
        else high = middle;
    }
    return low;
}
