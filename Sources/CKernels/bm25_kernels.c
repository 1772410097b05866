// SPDX-License-Identifier: Apache-2.0
#include "bm25_kernels.h"
#include "cpu_features.h"
#include <stdlib.h>
#include <string.h>

#define BLOCK FORAGE_BM25_BLOCK
#define WINDOW 8192u
/// Term frequencies are kept in quarters, so that a title's weight can be a fraction.
#define TF_UNIT 0.25f
#define MAX_TERMS 256u

#if defined(__x86_64__)
#define VARIANT_AVX2 __attribute__((target("avx2,fma,bmi,lzcnt")))
#endif
#define INLINE static inline __attribute__((always_inline))

// ---- Bit packing. Plain loops over eight lanes, which the compiler turns into vector code in each variant.

void forage_bits_pack(const uint32_t *values, uint32_t bits, uint8_t *packed) {
    // 16 groups of up to 32 bits fill 16 words a lane; one more takes what is shifted over the end.
    uint32_t words[8 * 17];
    memset(words, 0, sizeof words);
    for (uint32_t group = 0; group < 16; group++) {
        uint32_t position = group * bits, word = position / 32, shift = position % 32;
        for (uint32_t lane = 0; lane < 8; lane++) {
            uint32_t value = values[group * 8 + lane];
            words[word * 8 + lane] |= value << shift;
            if (shift + bits > 32) words[(word + 1) * 8 + lane] |= value >> (32 - shift);
        }
    }
    memcpy(packed, words, (bits * 16 + 31) / 32 * 32);
}

INLINE void unpack_lanes(const uint8_t *packed, uint32_t bits, uint32_t *values) {
    if (bits == 0) {
        memset(values, 0, 4 * BLOCK);
        return;
    }
    uint32_t mask = bits == 32 ? UINT32_MAX : (1u << bits) - 1;
    for (uint32_t group = 0; group < 16; group++) {
        uint32_t position = group * bits, word = position / 32, shift = position % 32;
        uint32_t low[8], high[8];
        memcpy(low, packed + word * 32, 32);
        if (shift + bits > 32) {
            memcpy(high, packed + (word + 1) * 32, 32);
            for (uint32_t lane = 0; lane < 8; lane++)
                values[group * 8 + lane] = (low[lane] >> shift | high[lane] << (32 - shift)) & mask;
        } else {
            for (uint32_t lane = 0; lane < 8; lane++) values[group * 8 + lane] = (low[lane] >> shift) & mask;
        }
    }
}

void forage_bits_unpack(const uint8_t *packed, uint32_t bits, uint32_t *values) { unpack_lanes(packed, bits, values); }

/// The bytes of 128 packed values: whole words of eight lanes.
INLINE uint32_t packed_size(uint32_t bits) { return (bits * 16 + 31) / 32 * 32; }

INLINE uint32_t bits_of(uint32_t value) { return value == 0 ? 0 : 32 - (uint32_t)__builtin_clz(value); }

// ---- Blocks. A full block: two bytes with the bits of the gaps and of the frequencies less one, then both packed. A
// shorter block (only the last of a term): the byte 255, the count, then pairs of variable-length numbers.

static uint8_t *put_varint(uint8_t *out, uint32_t value) {
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

uint32_t forage_bm25_encode_block(const uint32_t *passages, const uint32_t *frequencies, uint32_t count,
                                  uint32_t previous, uint8_t *out) {
    uint32_t gaps[BLOCK], less[BLOCK];
    uint32_t any_gap = 0, any_frequency = 0;
    for (uint32_t i = 0; i < count; i++) {
        gaps[i] = passages[i] - previous - 1;
        less[i] = frequencies[i] - 1;
        previous = passages[i];
        any_gap |= gaps[i];
        any_frequency |= less[i];
    }
    if (count == BLOCK) {
        uint32_t gap_bits = bits_of(any_gap), frequency_bits = bits_of(any_frequency);
        out[0] = (uint8_t)gap_bits;
        out[1] = (uint8_t)frequency_bits;
        forage_bits_pack(gaps, gap_bits, out + 2);
        forage_bits_pack(less, frequency_bits, out + 2 + packed_size(gap_bits));
        return 2 + packed_size(gap_bits) + packed_size(frequency_bits);
    }
    uint8_t *end = out;
    *end++ = 255;
    *end++ = (uint8_t)count;
    for (uint32_t i = 0; i < count; i++) {
        end = put_varint(end, gaps[i]);
        end = put_varint(end, less[i]);
    }
    return (uint32_t)(end - out);
}

/// Decodes a block; returns its count, or 0 when its bytes are no block. Reads only within the block's bytes.
INLINE uint32_t decode_block(const forage_bm25_term *term, uint32_t block, uint32_t *passages, uint32_t *frequencies) {
    uint32_t start = term->block_offset[block], end = term->block_offset[block + 1];
    if (end < start + 2) return 0;
    const uint8_t *bytes = term->data + start;
    uint32_t size = end - start;
    uint32_t previous = block == 0 ? UINT32_MAX : term->block_last[block - 1];
    if (bytes[0] == 255) {
        uint32_t count = bytes[1], at = 2;
        if (count == 0 || count > BLOCK) return 0;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t pair[2];
            for (int part = 0; part < 2; part++) {
                uint32_t value = 0, shift = 0;
                for (;;) {
                    if (at >= size || shift > 28) return 0;
                    uint8_t byte = bytes[at++];
                    value |= (uint32_t)(byte & 0x7F) << shift;
                    if (byte < 0x80) break;
                    shift += 7;
                }
                pair[part] = value;
            }
            uint64_t next = (uint64_t)(uint32_t)(previous + 1) + pair[0];
            if (next > term->block_last[block]) return 0;
            previous = (uint32_t)next;
            passages[i] = previous;
            frequencies[i] = pair[1] + 1;
        }
        return previous == term->block_last[block] ? count : 0;
    }
    uint32_t gap_bits = bytes[0], frequency_bits = bytes[1];
    if (gap_bits > 32 || frequency_bits > 32 || size != 2 + packed_size(gap_bits) + packed_size(frequency_bits)) return 0;
    unpack_lanes(bytes + 2, gap_bits, passages);
    unpack_lanes(bytes + 2 + packed_size(gap_bits), frequency_bits, frequencies);
    // The sum is kept in 64 bits: when it ends at the block's last passage, nothing wrapped on the way and the passages
    // ascend, whatever the bytes were.
    uint64_t running = (uint64_t)(uint32_t)(previous + 1);
    for (uint32_t i = 0; i < BLOCK; i++) {
        running += passages[i];
        passages[i] = (uint32_t)running;
        running += 1;
    }
    if (running != (uint64_t)term->block_last[block] + 1) return 0;
    for (uint32_t i = 0; i < BLOCK; i++) frequencies[i] += 1;
    return BLOCK;
}

uint32_t forage_bm25_decode_block(const forage_bm25_term *term, uint32_t block, uint32_t *passages,
                                  uint32_t *frequencies) {
    if (block >= term->block_count) return 0;
    return decode_block(term, block, passages, frequencies);
}

/// The first block from `from` on whose last passage is at least `passage`; block_count when there is none.
INLINE uint32_t seek_block(const forage_bm25_term *term, uint32_t from, uint32_t passage) {
    uint32_t step = 1, low = from, high = from;
    while (high < term->block_count && term->block_last[high] < passage) {
        low = high + 1;
        high += step;
        step *= 2;
    }
    if (high > term->block_count) high = term->block_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (term->block_last[middle] < passage) low = middle + 1;
        else high = middle;
    }
    return low;
}

// ---- Search.

/// Where a search stands in a term's postings, with the block that was decoded last.
typedef struct {
    forage_bm25_term term;
    uint32_t block;          // the first block that reaches into the current window
    uint32_t decoded;        // the block in `passages`, UINT32_MAX for none
    uint32_t count;          // of the decoded block
    uint32_t position;       // of the lookups in the decoded block
    float window_max;        // the most that the term adds within the current window
    uint32_t passages[BLOCK];
    uint32_t frequencies[BLOCK];
} cursor;

typedef struct {
    forage_bm25_hit *hits; // a min-heap by score once it is full
    uint32_t count, capacity;
    float threshold; // the score that a hit must exceed
} top_hits;

INLINE void sift_down(top_hits *top, uint32_t at) {
    forage_bm25_hit hit = top->hits[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= top->count) break;
        if (child + 1 < top->count && top->hits[child + 1].score < top->hits[child].score) child++;
        if (top->hits[child].score >= hit.score) break;
        top->hits[at] = top->hits[child];
        at = child;
    }
    top->hits[at] = hit;
}

INLINE void offer(top_hits *top, uint32_t passage, float score) {
    if (top->count < top->capacity) {
        top->hits[top->count].passage = passage;
        top->hits[top->count++].score = score;
        if (top->count == top->capacity) {
            for (uint32_t at = top->capacity / 2; at-- > 0;) sift_down(top, at);
            top->threshold = top->hits[0].score;
        }
        return;
    }
    if (score <= top->threshold) return;
    top->hits[0].passage = passage;
    top->hits[0].score = score;
    sift_down(top, 0);
    top->threshold = top->hits[0].score;
}

INLINE int decode(cursor *at, uint32_t block) {
    if (at->decoded == block) return 1;
    at->count = decode_block(&at->term, block, at->passages, at->frequencies);
    at->decoded = block;
    at->position = 0;
    return at->count > 0;
}

/// Adds a term's contributions within [start, end) to the window's sums, and notes the passages when `touched` is given.
INLINE int accumulate(cursor *at, uint32_t start, uint32_t end, const float *norms, float *sums, uint16_t *touched,
                      uint32_t *touched_count) {
    const forage_bm25_term *term = &at->term;
    for (uint32_t block = at->block; block < term->block_count; block++) {
        uint32_t before = block == 0 ? 0 : term->block_last[block - 1] + 1;
        if (before >= end) break;
        if (!decode(at, block)) return 0;
        uint32_t from = 0, to = at->count;
        // Passages are ascending and below `passage_count`: the reader checked block_last, decoding keeps the order.
        while (from < to && at->passages[from] < start) from++;
        while (to > from && at->passages[to - 1] >= end) to--;
        float weight = term->weight;
        float scores[BLOCK];
        for (uint32_t i = from; i < to; i++) {
            float tf = (float)at->frequencies[i] * TF_UNIT;
            scores[i] = weight * tf / (tf + norms[at->passages[i]]);
        }
        for (uint32_t i = from; i < to; i++) sums[at->passages[i] - start] += scores[i];
        if (touched)
            for (uint32_t i = from; i < to; i++) touched[(*touched_count)++] = (uint16_t)(at->passages[i] - start);
        if (term->block_last[block] >= end) break;
    }
    return 1;
}

/// The term's contribution to one passage. Passages must be asked for in ascending order within a window.
INLINE int look_up(cursor *at, uint32_t *block, uint32_t passage, float needed, const float *norms, float *score) {
    const forage_bm25_term *term = &at->term;
    *score = 0;
    *block = seek_block(term, *block, passage);
    if (*block >= term->block_count || term->weight * term->block_max[*block] <= needed) return 1;
    if (!decode(at, *block)) return 0;
    uint32_t position = at->position;
    if (position >= at->count || at->passages[position] > passage) position = 0;
    while (position + 8 < at->count && at->passages[position + 8] < passage) position += 8;
    while (position < at->count && at->passages[position] < passage) position++;
    at->position = position;
    if (position < at->count && at->passages[position] == passage) {
        float tf = (float)at->frequencies[position] * TF_UNIT;
        *score = term->weight * tf / (tf + norms[passage]);
    }
    return 1;
}

typedef struct {
    float sums[WINDOW];
    uint16_t touched[WINDOW * 4 + BLOCK];
    uint32_t candidates[WINDOW];
    float scores[WINDOW];
    uint8_t in_scope[WINDOW];
    cursor cursors[];
} workspace;

INLINE uint32_t search(const forage_bm25_term *terms, uint32_t term_count, const float *norms, uint32_t passage_count,
                       const uint32_t *scope, uint32_t scope_count, uint32_t k, forage_bm25_hit *hits, workspace *work) {
    memset(work->sums, 0, sizeof work->sums);
    top_hits top = {hits, 0, k, 0};
    uint32_t order[MAX_TERMS], block_at[MAX_TERMS];
    float rest[MAX_TERMS + 1];
    uint32_t scope_at = 0;
    // A narrow scope gives the candidates itself, and all terms are looked up.
    int narrow = scope && (uint64_t)scope_count * 8 < passage_count;
    for (uint32_t t = 0; t < term_count; t++) {
        cursor *at = &work->cursors[t];
        at->term = terms[t];
        at->block = 0;
        at->decoded = UINT32_MAX;
        at->count = at->position = 0;
    }
    for (uint32_t start = 0; start < passage_count;) {
        uint32_t scope_end = scope_at;
        if (scope) {
            // Windows without a passage of the scope are skipped.
            if (scope_at >= scope_count) break;
            start = scope[scope_at] / WINDOW * WINDOW;
        }
        uint32_t end = passage_count - start < WINDOW ? passage_count : start + WINDOW;
        if (scope) {
            while (scope_end < scope_count && scope[scope_end] < end) scope_end++;
        }
        // What each term can add in this window, and the terms by that, least first.
        uint32_t live = 0;
        float total = 0;
        for (uint32_t t = 0; t < term_count; t++) {
            cursor *at = &work->cursors[t];
            at->block = seek_block(&at->term, at->block, start);
            float largest = 0;
            for (uint32_t block = at->block; block < at->term.block_count; block++) {
                if (block > 0 && at->term.block_last[block - 1] + 1 >= end) break;
                if (at->term.block_max[block] > largest) largest = at->term.block_max[block];
                if (at->term.block_last[block] >= end - 1) break;
            }
            at->window_max = largest * at->term.weight;
            if (largest <= 0) continue;
            uint32_t place = live++;
            while (place > 0 && work->cursors[order[place - 1]].window_max > at->window_max) {
                order[place] = order[place - 1];
                place--;
            }
            order[place] = t;
            total += at->window_max;
        }
        float threshold = top.count < top.capacity ? 0 : top.threshold;
        if (live > 0 && total > threshold) {
            rest[0] = 0;
            for (uint32_t i = 0; i < live; i++) rest[i + 1] = rest[i] + work->cursors[order[i]].window_max;
            uint32_t essential = 0; // order[essential...] are accumulated, those before are looked up
            if (narrow) essential = live;
            else while (essential < live && rest[essential + 1] <= threshold) essential++;
            uint32_t count = 0;
            if (narrow) {
                for (uint32_t i = scope_at; i < scope_end; i++) {
                    work->candidates[count] = scope[i];
                    work->scores[count++] = 0;
                }
            } else {
                uint32_t postings = 0;
                for (uint32_t i = essential; i < live; i++) {
                    cursor *at = &work->cursors[order[i]];
                    for (uint32_t block = at->block; block < at->term.block_count && postings <= 4 * WINDOW; block++) {
                        postings += BLOCK;
                        if (at->term.block_last[block] >= end) break;
                    }
                }
                int sparse = postings < WINDOW / 4;
                uint32_t touched = 0;
                for (uint32_t i = essential; i < live; i++)
                    if (!accumulate(&work->cursors[order[i]], start, end, norms, work->sums,
                                    sparse ? work->touched : NULL, &touched))
                        return UINT32_MAX;
                if (scope) {
                    memset(work->in_scope, 0, end - start);
                    for (uint32_t i = scope_at; i < scope_end; i++) work->in_scope[scope[i] - start] = 1;
                }
                float needed = threshold - rest[essential];
                if (sparse) {
                    // Ascending order comes from the sums' order only; few enough to sort by insertion on the fly.
                    uint64_t bits[WINDOW / 64];
                    memset(bits, 0, sizeof bits);
                    for (uint32_t i = 0; i < touched; i++)
                        bits[work->touched[i] / 64] |= 1ull << (work->touched[i] % 64);
                    for (uint32_t word = 0; word < WINDOW / 64; word++) {
                        for (uint64_t left = bits[word]; left; left &= left - 1) {
                            uint32_t offset = word * 64 + (uint32_t)__builtin_ctzll(left);
                            float sum = work->sums[offset];
                            work->sums[offset] = 0;
                            if (sum <= needed || (scope && !work->in_scope[offset])) continue;
                            work->candidates[count] = start + offset;
                            work->scores[count++] = sum;
                        }
                    }
                } else {
                    float least = needed > 0 ? needed : 0;
                    for (uint32_t offset = 0; offset < end - start; offset += 8) {
                        // Eight sums at a time; a window's last few are zero beyond `end`.
                        uint32_t any = 0;
                        for (uint32_t lane = 0; lane < 8; lane++) any |= (uint32_t)(work->sums[offset + lane] > least) << lane;
                        while (any) {
                            uint32_t place = offset + (uint32_t)__builtin_ctz(any);
                            any &= any - 1;
                            if (scope && !work->in_scope[place]) continue;
                            work->candidates[count] = start + place;
                            work->scores[count++] = work->sums[place];
                        }
                    }
                    memset(work->sums, 0, sizeof(float) * (end - start));
                }
            }
            // The other terms, the largest first: a candidate goes when even all of the rest would not lift it.
            for (uint32_t i = essential; i-- > 0 && count > 0;) {
                cursor *at = &work->cursors[order[i]];
                block_at[i] = at->block;
                uint32_t kept = 0;
                float before = rest[i];
                for (uint32_t c = 0; c < count; c++) {
                    float sum = work->scores[c], more;
                    float now = top.count < top.capacity ? 0 : top.threshold;
                    if (sum + rest[i + 1] <= now && now > 0) continue;
                    float needed = now > 0 ? now - sum - before : -1;
                    if (!look_up(at, &block_at[i], work->candidates[c], needed, norms, &more)) return UINT32_MAX;
                    sum += more;
                    if (now > 0 && sum + before <= now) continue;
                    work->candidates[kept] = work->candidates[c];
                    work->scores[kept++] = sum;
                }
                count = kept;
            }
            for (uint32_t c = 0; c < count; c++)
                if (work->scores[c] > 0) offer(&top, work->candidates[c], work->scores[c]);
        }
        scope_at = scope_end;
        if (end == passage_count) break;
        start = end;
    }
    return top.count;
}

static uint32_t search_portable(const forage_bm25_term *terms, uint32_t term_count, const float *norms,
                                uint32_t passage_count, const uint32_t *scope, uint32_t scope_count, uint32_t k,
                                forage_bm25_hit *hits, workspace *work) {
    return search(terms, term_count, norms, passage_count, scope, scope_count, k, hits, work);
}

#if defined(__x86_64__)
VARIANT_AVX2 static uint32_t search_avx2(const forage_bm25_term *terms, uint32_t term_count, const float *norms,
                                         uint32_t passage_count, const uint32_t *scope, uint32_t scope_count,
                                         uint32_t k, forage_bm25_hit *hits, workspace *work) {
    return search(terms, term_count, norms, passage_count, scope, scope_count, k, hits, work);
}
#endif

uint32_t forage_bm25_search(const forage_bm25_term *terms, uint32_t term_count, const float *norms,
                            uint32_t passage_count, const uint32_t *scope, uint32_t scope_count, uint32_t k,
                            forage_bm25_hit *hits) {
    if (term_count == 0 || k == 0 || passage_count == 0) return 0;
    if (term_count > MAX_TERMS) term_count = MAX_TERMS;
    // Each thread keeps its workspace, room for all terms included: asking for it anew costs as much as a short search.
    static _Thread_local workspace *kept;
    if (!kept) kept = malloc(sizeof(workspace) + MAX_TERMS * sizeof(cursor));
    workspace *work = kept;
    if (!work) return UINT32_MAX;
    uint32_t count;
#if defined(__x86_64__)
    if (forage_cpu_get_level() >= FORAGE_CPU_AVX2 && forage_cpu_get_level() != FORAGE_CPU_NEON)
        count = search_avx2(terms, term_count, norms, passage_count, scope, scope_count, k, hits, work);
    else
#endif
        count = search_portable(terms, term_count, norms, passage_count, scope, scope_count, k, hits, work);
    return count;
}

int forage_bm25_frequencies(const forage_bm25_term *term, const uint32_t *passages, uint32_t count,
                            uint32_t *frequencies) {
    uint32_t decoded = UINT32_MAX, held = 0, block = 0, position = 0;
    uint32_t block_passages[BLOCK], block_frequencies[BLOCK];
    for (uint32_t i = 0; i < count; i++) {
        frequencies[i] = 0;
        block = seek_block(term, block, passages[i]);
        if (block >= term->block_count) continue;
        if (block != decoded) {
            held = decode_block(term, block, block_passages, block_frequencies);
            if (held == 0) return 0;
            decoded = block;
            position = 0;
        }
        while (position < held && block_passages[position] < passages[i]) position++;
        if (position < held && block_passages[position] == passages[i]) frequencies[i] = block_frequencies[position];
    }
    return 1;
}
