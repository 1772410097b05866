// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Postings are kept in blocks of this many; the last block of a list may hold fewer.
#define FORAGE_POSTING_BLOCK 128

/// One term of a query: its encoded postings, as a view of the mapped index.
///
/// A list of at most 128 postings is a variable-length number for each: the gap doubled, plus one where the frequency
/// is 1; where it is not, the frequency less two follows. A longer list starts at a multiple of 4 with, for each block,
/// its last passage (uint32), its largest tf / (tf + norm) (float) and where its bytes start (uint32, one more for the
/// end); then the blocks. The last block, where it is not full, is encoded as a short list is.
///
/// A full block packs its gaps, then its frequencies less one, with so many bits that most of them fit; of the others,
/// the exceptions, the higher bits stand behind (patched frame of reference: Zukowski et al. 2006, Yan et al. 2009).
/// Its bytes: bits of a gap and bits of a frequency, each plus 64 where there are exceptions; the number of exceptions
/// of either where there are any; the gaps and frequencies, 16 bytes a bit; then two bytes for each exception, place
/// and higher bits, those of the gaps first.
typedef struct {
    const uint8_t *data;
    uint64_t size;          ///< bytes
    uint32_t posting_count; ///< at least 1
    float weight;           ///< idf times the weight of the term in the query, above 0
} forage_posting_list;

/// What the score knows of a passage's length: k1 * (1 - b + b * length / mean length), once for each length there is.
typedef struct {
    const float *table;
    const uint8_t *narrow; ///< the place in the table of each passage's norm; NULL when `wide` holds them
    const uint16_t *wide;
} forage_norms;

/// A passage that was found.
typedef struct {
    uint32_t passage;
    float score;
} forage_keyword_hit;

/// What a search returns in place of a count when memory runs out or a list is damaged.
#define FORAGE_KEYWORD_FAILED UINT32_MAX

/// The k passages with the largest sums of weight * tf / (tf + norm), best first, ties by passage.
///
/// Contributions are added as 31-bit fixed-point numbers, so that sums do not depend on the order of addition: pruning
/// is exact and equal scores are equal. MaxScore over windows of 4,096 passages (Turtle and Flood 1995; block maxima as
/// in Ding and Suel 2011): terms that together cannot lift a passage over the k-th score so far are only looked up for
/// the candidates of the others, and blocks whose maximum does not suffice are not decoded.
///
/// - norms: of `passage_count` passages; every place lies within the table.
/// - unit: what a stored frequency of 1 stands for.
/// - scope: the ascending passages to search within, each below `passage_count`; NULL for all.
/// - hits: room for k.
/// Returns the number of hits or FORAGE_KEYWORD_FAILED. At most 1,024 lists are used.
uint32_t forage_keyword_search(const forage_posting_list *lists, uint32_t list_count, const forage_norms *norms,
                               float unit, uint32_t passage_count, const uint32_t *scope,
                               uint32_t scope_count, uint32_t k, forage_keyword_hit *hits);

/// The stored frequency of a list's term in each of `count` ascending passages, 0 where it is absent. Returns 0 when the
/// list is damaged.
int forage_posting_frequencies(const forage_posting_list *list, uint32_t passage_count, const uint32_t *passages,
                               uint32_t count, uint32_t *frequencies);

/// Decodes a whole list into arrays of `posting_count`. Returns 0 when it is damaged.
int forage_posting_decode(const forage_posting_list *list, uint32_t passage_count, uint32_t *passages,
                          uint32_t *frequencies);

/// The most bytes that a list of `count` postings takes.
size_t forage_posting_bound(uint32_t count);

/// Encodes a list of ascending passages. Returns the number of bytes; `out` is 4-aligned and has room for
/// `forage_posting_bound(count)`.
size_t forage_posting_encode(const uint32_t *passages, const uint32_t *frequencies, uint32_t count,
                             const forage_norms *norms, float unit, uint8_t *out);
