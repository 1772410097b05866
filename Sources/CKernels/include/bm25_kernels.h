// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Postings are kept in blocks of this many; the last block of a term may hold fewer.
#define FORAGE_BM25_BLOCK 128

/// Packs 128 values of `bits` bits each (0..32): eight lanes side by side, value i in lane i % 8. Writes ceil(bits / 2) * 32 bytes.
void forage_bits_pack(const uint32_t *values, uint32_t bits, uint8_t *packed);
/// Reverses `forage_bits_pack`.
void forage_bits_unpack(const uint8_t *packed, uint32_t bits, uint32_t *values);

/// One term of a query, as a view of the mapped index.
typedef struct {
    const uint32_t *block_last;     ///< the last passage of each block, ascending
    const float *block_max;         ///< the largest tf / (tf + norm) within each block
    const uint32_t *block_offset;   ///< where each block starts in `data`, with the end of the last one behind it
    const uint8_t *data;            ///< the packed blocks
    uint32_t block_count;
    uint32_t posting_count;
    float weight;                   ///< idf times the weight of the term in the query
} forage_bm25_term;

/// What a search found.
typedef struct {
    uint32_t passage;
    float score;
} forage_bm25_hit;

/// The passages with the largest sums of weight * tf / (tf + norm), by MaxScore over windows of 8,192 passages: per
/// window the terms that alone cannot lift a passage over the threshold are only looked up for candidates that the
/// others found, and blocks whose maximum does not suffice are not decoded. (Turtle and Flood 1995; Ding and Suel 2011.)
///
/// - norms: k1 * (1 - b + b * length / mean length) for each of `passage_count` passages
/// - scope: ascending passages to search within, or NULL for all
/// - hits: room for `k` hits; filled in no particular order
/// Returns the number of hits, or UINT32_MAX when memory ran out or a block is damaged. Scores are float sums in an order that depends on the
/// pruning: callers who need exact ones ask for some more hits and score those again.
uint32_t forage_bm25_search(const forage_bm25_term *terms, uint32_t term_count, const float *norms,
                            uint32_t passage_count, const uint32_t *scope, uint32_t scope_count, uint32_t k,
                            forage_bm25_hit *hits);

/// The term frequency (in the index's quarter units) of a term in each of `count` ascending passages; 0 where it is absent. Returns 0 when a block is damaged.
int forage_bm25_frequencies(const forage_bm25_term *term, const uint32_t *passages, uint32_t count,
                            uint32_t *frequencies);

/// Decodes one block: passages and term frequencies. Returns how many it holds, 0 when it is damaged.
uint32_t forage_bm25_decode_block(const forage_bm25_term *term, uint32_t block, uint32_t *passages,
                                  uint32_t *frequencies);

/// Encodes a block of `count` (1..128) ascending passages that follow `previous` (the last passage before it, or
/// UINT32_MAX for none). `out` needs room for 1040 bytes. Returns the number of bytes.
uint32_t forage_bm25_encode_block(const uint32_t *passages, const uint32_t *frequencies, uint32_t count,
                                  uint32_t previous, uint8_t *out);
