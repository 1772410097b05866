// SPDX-License-Identifier: Apache-2.0
// Whole posting lists: encoding, decoding, frequencies of given passages.
#include "posting_blocks.h"

#pragma STDC FP_CONTRACT OFF

static uint8_t *put_number(uint8_t *out, uint64_t value) {
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

static void pack(const uint32_t *values, uint32_t bits, uint8_t *packed) {
    uint32_t words[4 * 33];
    memset(words, 0, sizeof words);
    for (uint32_t group = 0; group < 32; group++) {
        uint32_t position = group * bits, word = position / 32, shift = position % 32;
        for (uint32_t lane = 0; lane < 4; lane++) {
            uint32_t value = values[group * 4 + lane];
            value &= bits == 32 ? UINT32_MAX : (1u << bits) - 1;
            words[word * 4 + lane] |= value << shift;
            if (shift + bits > 32) words[(word + 1) * 4 + lane] |= value >> (32 - shift);
        }
    }
    memcpy(packed, words, bits * 16);
}

size_t forage_posting_bound(uint32_t count) {
    size_t blocks = ((size_t)count + BLOCK - 1) / BLOCK;
    return blocks * (12 + 4 + 32 * 32) + 64 + BLOCK * 10;
}

/// The bits to pack the values of a block with, so that they and the exceptions take the fewest bytes. Exceptions must
/// save 24 bytes to be worth their decoding.
static uint32_t choose_bits(const uint32_t *values, uint32_t *exception_count) {
    uint32_t having[34] = {0}; // how many values have so many bits
    for (uint32_t i = 0; i < BLOCK; i++) having[bits_of(values[i])]++;
    uint32_t most = 32, best, saved = 24;
    while (most > 0 && having[most] == 0) most--;
    uint32_t above = 0;
    best = most;
    *exception_count = 0;
    for (uint32_t bits = most; bits-- > 0 && most - bits <= 8;) {
        above += having[bits + 1];
        uint32_t cost = 1 + 2 * above, gain = 16 * (most - bits);
        if (gain < cost + saved) continue;
        saved = gain - cost + 1;
        best = bits;
        *exception_count = above;
    }
    return best;
}

static uint8_t *put_exceptions(const uint32_t *values, uint32_t bits, uint8_t *out) {
    for (uint32_t i = 0; i < BLOCK; i++)
        if (bits_of(values[i]) > bits) {
            *out++ = (uint8_t)i;
            *out++ = (uint8_t)(values[i] >> bits);
        }
    return out;
}

/// Encodes a full block.
static uint8_t *encode_block(const uint32_t *gaps, const uint32_t *less, uint8_t *out) {
    uint32_t gap_exceptions, less_exceptions;
    uint32_t gap_bits = choose_bits(gaps, &gap_exceptions), less_bits = choose_bits(less, &less_exceptions);
    *out++ = (uint8_t)(gap_bits | (gap_exceptions ? HAS_EXCEPTIONS : 0));
    *out++ = (uint8_t)(less_bits | (less_exceptions ? HAS_EXCEPTIONS : 0));
    if (gap_exceptions) *out++ = (uint8_t)gap_exceptions;
    if (less_exceptions) *out++ = (uint8_t)less_exceptions;
    pack(gaps, gap_bits, out);
    pack(less, less_bits, out + 16 * gap_bits);
    out += 16 * (gap_bits + less_bits);
    if (gap_exceptions) out = put_exceptions(gaps, gap_bits, out);
    if (less_exceptions) out = put_exceptions(less, less_bits, out);
    return out;
}

static uint8_t *encode_pairs(const uint32_t *passages, const uint32_t *frequencies, uint32_t count, uint32_t previous,
                             uint8_t *out) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t gap = passages[i] - previous - 1;
        out = put_number(out, (uint64_t)gap << 1 | (frequencies[i] == 1));
        if (frequencies[i] > 1) out = put_number(out, frequencies[i] - 2);
        previous = passages[i];
    }
    return out;
}

size_t forage_posting_encode(const uint32_t *passages, const uint32_t *frequencies, uint32_t count,
                             const forage_norms *norms, float unit, uint8_t *out) {
    if (count <= BLOCK) return (size_t)(encode_pairs(passages, frequencies, count, UINT32_MAX, out) - out);
    uint32_t blocks = (count + BLOCK - 1) / BLOCK;
    uint32_t *last = (uint32_t *)out;
    float *largest = (float *)(last + blocks);
    uint32_t *offset = (uint32_t *)(largest + blocks);
    uint8_t *start = (uint8_t *)(offset + blocks + 1), *end = start;
    uint32_t previous = UINT32_MAX;
    for (uint32_t block = 0; block < blocks; block++) {
        const uint32_t *p = passages + (size_t)block * BLOCK, *f = frequencies + (size_t)block * BLOCK;
        uint32_t n = block + 1 < blocks ? BLOCK : count - block * BLOCK;
        offset[block] = (uint32_t)(end - start);
        last[block] = p[n - 1];
        largest[block] = 0;
        for (uint32_t i = 0; i < n; i++) {
            float tf = (float)(int32_t)f[i] * unit;
            float ratio = tf / (tf + norm_of(norms, p[i]));
            if (ratio > largest[block]) largest[block] = ratio;
        }
        if (n < BLOCK) {
            end = encode_pairs(p, f, n, previous, end);
        } else {
            uint32_t gaps[BLOCK], less[BLOCK];
            for (uint32_t i = 0; i < BLOCK; i++) {
                gaps[i] = p[i] - previous - 1;
                less[i] = f[i] - 1;
                previous = p[i];
            }
            end = encode_block(gaps, less, end);
        }
        previous = p[n - 1];
    }
    offset[blocks] = (uint32_t)(end - start);
    return (size_t)(end - out);
}

int forage_posting_decode(const forage_posting_list *list, uint32_t passage_count, uint32_t *passages,
                          uint32_t *frequencies) {
    posting_view view;
    if (!open_view(&view, list, passage_count)) return 0;
    uint32_t block_passages[BLOCK], block_frequencies[BLOCK];
    for (uint32_t block = 0; block < view.block_count; block++) {
        uint32_t count = decode_passages(&view, block, passage_count, block_passages);
        if (count == 0 || !decode_frequencies(&view, block, count, block_frequencies)) return 0;
        memcpy(passages + (size_t)block * BLOCK, block_passages, 4 * count);
        memcpy(frequencies + (size_t)block * BLOCK, block_frequencies, 4 * count);
    }
    return 1;
}

int forage_posting_frequencies(const forage_posting_list *list, uint32_t passage_count, const uint32_t *passages,
                               uint32_t count, uint32_t *frequencies) {
    posting_view view;
    if (!open_view(&view, list, passage_count)) return 0;
    uint32_t decoded = UINT32_MAX, held = 0, block = 0, position = 0;
    uint32_t block_passages[BLOCK];
    for (uint32_t i = 0; i < count; i++) {
        frequencies[i] = 0;
        if (view.block_offset) block = seek_block(&view, block, passages[i]);
        if (block >= view.block_count) continue;
        if (block != decoded) {
            held = decode_passages(&view, block, passage_count, block_passages);
            if (held == 0) return 0;
            decoded = block;
            position = 0;
        }
        while (position < held && block_passages[position] < passages[i]) position++;
        if (position < held && block_passages[position] == passages[i] &&
            !one_frequency(&view, block, position, held, &frequencies[i]))
            return 0;
    }
    return 1;
}
