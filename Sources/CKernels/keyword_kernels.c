// SPDX-License-Identifier: Apache-2.0
#include "keyword_kernels.h"
#include "cpu_features.h"
#include "posting_blocks.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Contributions must be the same in every variant.
#pragma STDC FP_CONTRACT OFF

#define WINDOW 4096u
#define MAX_LISTS 1024u
#define STRIDE 16u

/// Where a search stands in a list, with the block that was decoded last.
typedef struct {
    posting_view view;
    float scaled;            // weight in fixed-point units
    uint32_t block;          // the first block that reaches into the current window
    uint32_t decoded;        // the block in `passages`, UINT32_MAX for none
    uint32_t scored;         // the block in `scores`, UINT32_MAX for none
    uint32_t count;          // of the decoded block
    uint32_t position;       // of look-ups in the decoded block
    uint32_t look_block;     // of look-ups
    uint32_t window_max;     // the most that the term adds within the current window
    uint32_t short_last;     // skip entries of a list of one block
    float short_max;
    uint32_t passages[BLOCK + STRIDE]; // behind the block's passages stand STRIDE that no passage reaches
    uint32_t scores[BLOCK];
} cursor;

typedef struct {
    uint64_t *keys; // a min-heap of score << 32 | ~passage
    uint32_t count, capacity;
} top_hits;

typedef struct {
    uint32_t sums[WINDOW];
    uint32_t candidates[WINDOW];
    uint32_t scores[WINDOW];
    uint8_t in_scope[WINDOW];
    uint64_t touched[WINDOW / 64];
    uint32_t order[MAX_LISTS];
    uint32_t rest[MAX_LISTS + 1];
} workspace;

INLINE void sift_down(uint64_t *keys, uint32_t count, uint32_t at) {
    uint64_t key = keys[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count) break;
        if (child + 1 < count && keys[child + 1] < keys[child]) child++;
        if (keys[child] >= key) break;
        keys[at] = keys[child];
        at = child;
    }
    keys[at] = key;
}

INLINE void offer(top_hits *top, uint32_t passage, uint32_t score) {
    uint64_t key = (uint64_t)score << 32 | (uint32_t)~passage;
    if (top->count < top->capacity) {
        top->keys[top->count++] = key;
        if (top->count == top->capacity)
            for (uint32_t at = top->capacity / 2; at-- > 0;) sift_down(top->keys, top->count, at);
        return;
    }
    if (key <= top->keys[0]) return;
    top->keys[0] = key;
    sift_down(top->keys, top->count, 0);
}

/// The score that a later passage must exceed.
INLINE uint32_t threshold_of(const top_hits *top) {
    return top->count < top->capacity ? 0 : (uint32_t)(top->keys[0] >> 32);
}

INLINE uint32_t fixed(float value) { return (uint32_t)(int32_t)(value + 0.5f); }

INLINE uint32_t contribution(float scaled, float tf, float norm) {
    float ratio = tf / (tf + norm);
    float product = scaled * ratio;
    return fixed(product);
}

/// The bound of a block, which no contribution in it exceeds: the same arithmetic on the block's largest ratio.
INLINE uint32_t block_bound(const cursor *at, uint32_t block) {
    float product = at->scaled * at->view.block_max[block];
    return fixed(product);
}

INLINE int decode(cursor *at, uint32_t block, uint32_t passage_count) {
    if (at->decoded == block) return 1;
    at->decoded = UINT32_MAX;
    at->count = decode_passages(&at->view, block, passage_count, at->passages);
    if (at->count == 0) return 0;
    for (uint32_t i = 0; i < STRIDE; i++) at->passages[at->count + i] = UINT32_MAX;
    at->decoded = block;
    at->position = 0;
    return 1;
}

INLINE int score_block(cursor *at, uint32_t block, uint32_t passage_count, const forage_norms *norms, float unit) {
    if (!decode(at, block, passage_count)) return 0;
    if (at->scored == block) return 1;
    uint32_t frequencies[BLOCK];
    float lengths[BLOCK];
    if (!decode_frequencies(&at->view, block, at->count, frequencies)) return 0;
    const float *table = norms->table;
    if (norms->wide)
        for (uint32_t i = 0; i < at->count; i++) lengths[i] = table[norms->wide[at->passages[i]]];
    else
        for (uint32_t i = 0; i < at->count; i++) lengths[i] = table[norms->narrow[at->passages[i]]];
    for (uint32_t i = at->count; i < BLOCK; i++) {
        lengths[i] = 1;
        frequencies[i] = 0;
    }
    float scaled = at->scaled;
    for (uint32_t i = 0; i < BLOCK; i++)
        at->scores[i] = contribution(scaled, (float)(int32_t)frequencies[i] * unit, lengths[i]);
    at->scored = block;
    return 1;
}

/// Adds a term's contributions within [start, end) to the window's sums. Blocks that cannot lift any passage over the
/// threshold with the help of `others` are left out.
INLINE int accumulate(cursor *at, uint32_t start, uint32_t end, uint32_t passage_count, const forage_norms *norms, float unit,
                      uint32_t others, uint32_t threshold, workspace *work, int sparse) {
    const posting_view *view = &at->view;
    for (uint32_t block = at->block; block < view->block_count; block++) {
        if (block > 0 && view->block_last[block - 1] + 1 >= end) break;
        if (block_bound(at, block) + others > threshold) {
            if (!score_block(at, block, passage_count, norms, unit)) return 0;
            uint32_t from = 0, to = at->count;
            if (at->passages[0] < start) {
                uint32_t low = 0, high = to;
                while (low < high) {
                    uint32_t middle = (low + high) / 2;
                    if (at->passages[middle] < start) low = middle + 1;
                    else high = middle;
                }
                from = low;
            }
            while (to > from && at->passages[to - 1] >= end) to--;
            uint32_t *sums = work->sums;
            for (uint32_t i = from; i < to; i++) sums[at->passages[i] - start] += at->scores[i];
            if (sparse)
                for (uint32_t i = from; i < to; i++) {
                    uint32_t offset = at->passages[i] - start;
                    work->touched[offset / 64] |= 1ull << (offset % 64);
                }
        }
        if (view->block_last[block] >= end - 1) break;
    }
    return 1;
}

/// The term's contribution to one passage, 0 when it is absent or cannot reach `needed`. Within a window passages are
/// asked for in ascending order.
INLINE int look_up(cursor *at, uint32_t passage, uint32_t passage_count, uint32_t needed, const forage_norms *norms,
                   float unit, uint32_t *score) {
    *score = 0;
    at->look_block = seek_block(&at->view, at->look_block, passage);
    uint32_t block = at->look_block;
    if (block >= at->view.block_count || block_bound(at, block) < needed) return 1;
    if (!decode(at, block, passage_count)) return 0;
    uint32_t position = at->position, count = at->count;
    if (position >= count || at->passages[position] > passage) position = 0;
    while (position + STRIDE < count && at->passages[position + STRIDE] <= passage) position += STRIDE;
    uint32_t less = 0;
    for (uint32_t i = 0; i < STRIDE; i++) less += at->passages[position + i] < passage;
    position += less;
    at->position = position;
    if (position >= count || at->passages[position] != passage) return 1;
    if (at->scored == block) {
        *score = at->scores[position];
        return 1;
    }
    uint32_t frequency = 0;
    if (!one_frequency(&at->view, block, position, count, &frequency)) return 0;
    *score = contribution(at->scaled, (float)(int32_t)frequency * unit, norm_of(norms, passage));
    return 1;
}

/// Puts what each term can add in this window into `order` and `rest`, least first. Returns how many add anything.
INLINE uint32_t order_terms(cursor *cursors, uint32_t list_count, uint32_t start, uint32_t end, workspace *work) {
    uint32_t live = 0;
    for (uint32_t t = 0; t < list_count; t++) {
        cursor *at = &cursors[t];
        at->block = seek_block(&at->view, at->block, start);
        at->look_block = at->block;
        at->position = 0;
        float largest = 0;
        for (uint32_t block = at->block; block < at->view.block_count; block++) {
            if (block > 0 && at->view.block_last[block - 1] + 1 >= end) break;
            if (at->view.block_max[block] > largest) largest = at->view.block_max[block];
            if (at->view.block_last[block] >= end - 1) break;
        }
        float product = at->scaled * largest;
        at->window_max = fixed(product);
        if (at->window_max == 0) continue;
        uint32_t place = live++;
        while (place > 0 && cursors[work->order[place - 1]].window_max > at->window_max) {
            work->order[place] = work->order[place - 1];
            place--;
        }
        work->order[place] = t;
    }
    work->rest[0] = 0;
    for (uint32_t i = 0; i < live; i++) work->rest[i + 1] = work->rest[i] + cursors[work->order[i]].window_max;
    return live;
}

/// Collects the passages of a window by going through all its sums, and clears them. Sums beyond the window's end are
/// zero; none is above 2^31.
typedef uint32_t collect_dense(workspace *work, uint32_t start, uint32_t length, uint32_t least, int scoped);

static uint32_t collect_portable(workspace *work, uint32_t start, uint32_t length, uint32_t least, int scoped) {
    uint32_t count = 0;
    for (uint32_t offset = 0; offset < length; offset++) {
        uint32_t sum = work->sums[offset];
        work->sums[offset] = 0;
        if (sum <= least || (scoped && !work->in_scope[offset])) continue;
        work->candidates[count] = start + offset;
        work->scores[count++] = sum;
    }
    return count;
}

#if defined(__x86_64__)
__attribute__((target("avx2,bmi,bmi2,lzcnt"))) static uint32_t collect_avx2(
    workspace *work, uint32_t start, uint32_t length, uint32_t least, int scoped) {
    uint32_t count = 0;
    const __m256i bound = _mm256_set1_epi32((int)least), zero = _mm256_setzero_si256();
    for (uint32_t offset = 0; offset < length; offset += 32) {
        uint32_t *sums = work->sums + offset;
        uint32_t above = 0;
        __m256i parts[4];
        for (uint32_t part = 0; part < 4; part++) {
            parts[part] = _mm256_loadu_si256((const __m256i *)(sums + 8 * part));
            __m256i larger = _mm256_cmpgt_epi32(parts[part], bound);
            above |= (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(larger)) << (8 * part);
        }
        for (; above; above &= above - 1) {
            uint32_t lane = (uint32_t)__builtin_ctz(above);
            if (scoped && !work->in_scope[offset + lane]) continue;
            work->candidates[count] = start + offset + lane;
            work->scores[count++] = sums[lane];
        }
        for (uint32_t part = 0; part < 4; part++) _mm256_storeu_si256((__m256i *)(sums + 8 * part), zero);
    }
    return count;
}
#endif

/// Collects the passages of the window whose sums exceed `least`, and clears the sums.
INLINE uint32_t collect(workspace *work, uint32_t start, uint32_t end, uint32_t least, int sparse, int scoped,
                        collect_dense *dense) {
    if (sparse) {
        uint32_t count = 0;
        for (uint32_t word = 0; word < WINDOW / 64; word++) {
            uint64_t bits = work->touched[word];
            work->touched[word] = 0;
            for (; bits; bits &= bits - 1) {
                uint32_t offset = word * 64 + (uint32_t)__builtin_ctzll(bits);
                uint32_t sum = work->sums[offset];
                work->sums[offset] = 0;
                if (sum <= least || (scoped && !work->in_scope[offset])) continue;
                work->candidates[count] = start + offset;
                work->scores[count++] = sum;
            }
        }
        return count;
    }
    return dense(work, start, end - start, least, scoped);
}

/// A score that at least `k` passages reach, from the blocks' largest ratios: each is some passage's, and every other
/// term only adds to it.
INLINE uint32_t reached_by(const cursor *at, uint32_t k) {
    uint32_t count = at->view.block_count;
    if (k > 16 || count < k) return 0;
    float best[16]; // descending
    uint32_t held = 0;
    for (uint32_t block = 0; block < count; block++) {
        float value = at->view.block_max[block];
        if (held == k && value <= best[k - 1]) continue;
        uint32_t place = held < k ? held++ : k - 1;
        while (place > 0 && best[place - 1] < value) {
            best[place] = best[place - 1];
            place--;
        }
        best[place] = value;
    }
    float product = at->scaled * best[k - 1];
    return fixed(product);
}

INLINE int search(cursor *cursors, uint32_t list_count, const forage_norms *norms, float unit, uint32_t passage_count,
                  const uint32_t *scope, uint32_t scope_count, top_hits *top, workspace *work,
                  collect_dense *dense) {
    memset(work->sums, 0, sizeof work->sums);
    memset(work->touched, 0, sizeof work->touched);
    // A small scope is looked up passage by passage; a large one is a filter on the candidates.
    int narrow = scope && (uint64_t)scope_count * 16 < passage_count;
    uint32_t scope_at = 0;
    // Scores below this one need not be looked at; a passage that has it exactly may be among the best.
    uint32_t reached = 0;
    for (uint32_t t = 0; t < list_count && !scope; t++) {
        uint32_t own = reached_by(&cursors[t], top->capacity);
        if (own > reached) reached = own;
    }
    for (uint32_t start = 0; start < passage_count;) {
        uint32_t scope_end = scope_at;
        if (scope) {
            if (scope_at >= scope_count) break;
            start = scope[scope_at] / WINDOW * WINDOW;
        }
        uint32_t end = passage_count - start < WINDOW ? passage_count : start + WINDOW;
        if (scope)
            while (scope_end < scope_count && scope[scope_end] < end) scope_end++;
        uint32_t live = order_terms(cursors, list_count, start, end, work);
        uint32_t threshold = threshold_of(top), total = work->rest[live];
        if (reached > threshold + 1) threshold = reached - 1;
        if (total > threshold) {
            uint32_t essential = 0; // order[essential...] are added up, those before are looked up
            if (narrow) essential = live;
            else while (essential < live && work->rest[essential + 1] <= threshold) essential++;
            uint32_t count = 0;
            if (narrow) {
                for (uint32_t i = scope_at; i < scope_end; i++) {
                    work->candidates[count] = scope[i];
                    work->scores[count++] = 0;
                }
            } else {
                uint32_t postings = 0;
                for (uint32_t i = essential; i < live && postings < WINDOW; i++) {
                    const cursor *at = &cursors[work->order[i]];
                    for (uint32_t block = at->block; block < at->view.block_count && postings < WINDOW; block++) {
                        if (block > 0 && at->view.block_last[block - 1] + 1 >= end) break;
                        postings += BLOCK;
                    }
                }
                int sparse = postings <= 512;
                for (uint32_t i = essential; i < live; i++) {
                    cursor *at = &cursors[work->order[i]];
                    if (!accumulate(at, start, end, passage_count, norms, unit, total - at->window_max, threshold,
                                    work, sparse))
                        return 0;
                }
                if (scope) {
                    memset(work->in_scope, 0, sizeof work->in_scope);
                    for (uint32_t i = scope_at; i < scope_end; i++) work->in_scope[scope[i] - start] = 1;
                }
                uint32_t least = threshold > work->rest[essential] ? threshold - work->rest[essential] : 0;
                count = collect(work, start, end, least, sparse, scope != NULL, dense);
            }
            // The other terms, largest first: a candidate goes when all that is left would not lift it.
            for (uint32_t i = essential; i-- > 0 && count > 0;) {
                cursor *at = &cursors[work->order[i]];
                uint32_t kept = 0, before = work->rest[i], now = threshold;
                for (uint32_t c = 0; c < count; c++) {
                    uint32_t sum = work->scores[c], more;
                    if (sum + work->rest[i + 1] <= now) continue;
                    uint32_t needed = now > sum + before ? now - sum - before : 0;
                    if (!look_up(at, work->candidates[c], passage_count, needed, norms, unit, &more)) return 0;
                    sum += more;
                    if (sum + before <= now) continue;
                    work->candidates[kept] = work->candidates[c];
                    work->scores[kept++] = sum;
                }
                count = kept;
            }
            for (uint32_t c = 0; c < count; c++)
                if (work->scores[c] > 0) offer(top, work->candidates[c], work->scores[c]);
        }
        scope_at = scope_end;
        if (end == passage_count) break;
        start = end;
    }
    return 1;
}

static int search_portable(cursor *cursors, uint32_t list_count, const forage_norms *norms, float unit,
                           uint32_t passage_count, const uint32_t *scope, uint32_t scope_count, top_hits *top,
                           workspace *work) {
    return search(cursors, list_count, norms, unit, passage_count, scope, scope_count, top, work, collect_portable);
}

#if defined(__x86_64__)
__attribute__((target("avx2,bmi,bmi2,lzcnt"))) static int search_avx2(
    cursor *cursors, uint32_t list_count, const forage_norms *norms, float unit, uint32_t passage_count,
    const uint32_t *scope, uint32_t scope_count, top_hits *top, workspace *work) {
    return search(cursors, list_count, norms, unit, passage_count, scope, scope_count, top, work, collect_avx2);
}
#endif

/// Opens a list; a short one gets skip entries made up from its postings.
static int open_cursor(cursor *at, const forage_posting_list *list, uint32_t passage_count, const forage_norms *norms,
                       float unit, float scale) {
    at->scaled = list->weight * scale;
    at->block = at->position = at->count = 0;
    at->decoded = at->scored = UINT32_MAX;
    if (!open_view(&at->view, list, passage_count)) return 0;
    if (list->posting_count > BLOCK) return 1;
    at->view.block_last = &at->short_last;
    at->view.block_max = &at->short_max;
    if (!decode(at, 0, passage_count)) return 0;
    uint32_t frequencies[BLOCK];
    if (!decode_frequencies(&at->view, 0, at->count, frequencies)) return 0;
    at->short_last = at->passages[at->count - 1];
    at->short_max = 0;
    for (uint32_t i = 0; i < at->count; i++) {
        float tf = (float)(int32_t)frequencies[i] * unit;
        float ratio = tf / (tf + norm_of(norms, at->passages[i]));
        if (ratio > at->short_max) at->short_max = ratio;
    }
    return 1;
}

static int by_key_descending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

uint32_t forage_keyword_search(const forage_posting_list *lists, uint32_t list_count, const forage_norms *norms, float unit,
                               uint32_t passage_count, const uint32_t *scope, uint32_t scope_count, uint32_t k,
                               forage_keyword_hit *hits) {
    if (list_count == 0 || k == 0 || passage_count == 0) return 0;
    if (list_count > MAX_LISTS) list_count = MAX_LISTS;
    if (k > passage_count) k = passage_count;
    double sum = 0;
    for (uint32_t i = 0; i < list_count; i++) sum += lists[i].weight;
    if (!(sum > 0) || !isfinite(sum)) return 0;
    int exponent;
    frexp(sum, &exponent);
    float scale = (float)ldexp(1, 30 - exponent); // the largest sum is at most 2^30 and a rounding for each term
    workspace *work = malloc(sizeof(workspace) + list_count * sizeof(cursor) + k * sizeof(uint64_t));
    if (!work) return FORAGE_KEYWORD_FAILED;
    cursor *cursors = (cursor *)(work + 1);
    top_hits top = {(uint64_t *)(cursors + list_count), 0, k};
    int good = 1;
    for (uint32_t i = 0; i < list_count && good; i++)
        good = open_cursor(&cursors[i], &lists[i], passage_count, norms, unit, scale);
    if (good) {
#if defined(__x86_64__)
        if (forage_cpu_get_level() == FORAGE_CPU_AVX2 || forage_cpu_get_level() == FORAGE_CPU_AVX512)
            good = search_avx2(cursors, list_count, norms, unit, passage_count, scope, scope_count, &top, work);
        else
#endif
            good = search_portable(cursors, list_count, norms, unit, passage_count, scope, scope_count, &top, work);
    }
    if (good) {
        qsort(top.keys, top.count, sizeof(uint64_t), by_key_descending);
        for (uint32_t i = 0; i < top.count; i++) {
            hits[i].passage = ~(uint32_t)top.keys[i];
            hits[i].score = (float)((double)(top.keys[i] >> 32) / scale);
        }
    }
    uint32_t count = good ? top.count : FORAGE_KEYWORD_FAILED;
    free(work);
    return count;
}
