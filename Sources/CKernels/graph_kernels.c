// SPDX-License-Identifier: Apache-2.0
#include "graph_kernels.h"
#include "cpu_features.h"
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define NONE FORAGE_NO_NEIGHBOUR

/// A candidate: ordered by similarity, equal ones by node; `open` until its neighbours were looked at.
typedef struct {
    int32_t similarity;
    uint32_t node;
    uint32_t open;
} candidate;

struct forage_graph_scratch {
    uint64_t *seen; // one bit a node
    uint32_t *touched; // words of `seen` that are not zero
    size_t touched_count, touched_capacity;
    uint32_t node_count;
    candidate *pool;
    size_t pool_capacity;
    candidate *found;
    size_t found_capacity;
    int16_t *query;
    size_t query_capacity;
};

forage_graph_scratch *forage_graph_scratch_create(uint32_t count) {
    forage_graph_scratch *scratch = calloc(1, sizeof *scratch);
    if (!scratch) return NULL;
    scratch->node_count = count;
    scratch->seen = calloc((size_t)count / 64 + 1, sizeof(uint64_t));
    if (!scratch->seen) {
        free(scratch);
        return NULL;
    }
    return scratch;
}

void forage_graph_scratch_free(forage_graph_scratch *scratch) {
    if (!scratch) return;
    free(scratch->seen);
    free(scratch->touched);
    free(scratch->pool);
    free(scratch->found);
    free(scratch->query);
    free(scratch);
}

static int reserve(void **memory, size_t *capacity, size_t needed, size_t element) {
    if (needed <= *capacity) return 1;
    void *moved = realloc(*memory, needed * element);
    if (!moved) return 0;
    *memory = moved;
    *capacity = needed;
    return 1;
}

static int make_room(forage_graph_scratch *scratch, const forage_graph *graph, size_t effort) {
    return graph->count <= scratch->node_count &&
           reserve((void **)&scratch->touched, &scratch->touched_capacity, (size_t)scratch->node_count / 64 + 1, 4) &&
           reserve((void **)&scratch->pool, &scratch->pool_capacity, effort + 1, sizeof(candidate)) &&
           reserve((void **)&scratch->found, &scratch->found_capacity, effort + 1, sizeof(candidate)) &&
           reserve((void **)&scratch->query, &scratch->query_capacity, graph->dimension, sizeof(int16_t));
}

/// Notes that a node was seen; returns whether it was new.
static inline int see(forage_graph_scratch *scratch, uint32_t node) {
    uint64_t *word = &scratch->seen[node / 64], bit = 1ull << (node % 64);
    if (*word & bit) return 0;
    if (*word == 0) scratch->touched[scratch->touched_count++] = node / 64;
    *word |= bit;
    return 1;
}

static void forget(forage_graph_scratch *scratch) {
    for (size_t i = 0; i < scratch->touched_count; i++) scratch->seen[scratch->touched[i]] = 0;
    scratch->touched_count = 0;
}

typedef int32_t (*product)(const int8_t *, const int16_t *, size_t);

static int32_t product_portable(const int8_t *code, const int16_t *query, size_t n) {
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += (int32_t)code[i] * query[i];
    return sum;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static int32_t product_avx2(const int8_t *code, const int16_t *query, size_t n) {
    __m256i s0 = _mm256_setzero_si256(), s1 = s0;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i a = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(code + i)));
        __m256i b = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(code + i + 16)));
        s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(a, _mm256_loadu_si256((const __m256i *)(query + i))));
        s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(b, _mm256_loadu_si256((const __m256i *)(query + i + 16))));
    }
    s0 = _mm256_add_epi32(s0, s1);
    __m128i low = _mm_add_epi32(_mm256_castsi256_si128(s0), _mm256_extracti128_si256(s0, 1));
    low = _mm_add_epi32(low, _mm_shuffle_epi32(low, 0x4E));
    low = _mm_add_epi32(low, _mm_shuffle_epi32(low, 0xB1));
    int32_t sum = _mm_cvtsi128_si32(low);
    for (; i < n; i++) sum += (int32_t)code[i] * query[i];
    return sum;
}
#endif

static product choose_product(void) {
#if defined(__x86_64__)
    forage_cpu_level level = forage_cpu_get_level();
    if (level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512) return product_avx2;
#endif
    return product_portable;
}

static inline const int8_t *code_of(const forage_graph *graph, uint32_t node) {
    return graph->codes + (size_t)node * graph->dimension;
}

static inline void fetch_code(const forage_graph *graph, uint32_t node) {
    const int8_t *code = code_of(graph, node);
    for (uint32_t byte = 0; byte < graph->dimension; byte += 64) __builtin_prefetch(code + byte);
}

static inline uint32_t *row_of(const forage_graph *graph, uint32_t node, uint32_t level) {
    if (level == 0) return graph->links + (size_t)node * 2 * graph->width;
    return graph->upper + ((size_t)graph->upper_at[node] + level - 1) * graph->width;
}

static inline uint32_t row_width(const forage_graph *graph, uint32_t level) {
    return level == 0 ? 2 * graph->width : graph->width;
}

static inline int before(int32_t similarity, uint32_t node, const candidate *other) {
    return similarity > other->similarity || (similarity == other->similarity && node < other->node);
}

/// Puts a candidate into a list of the best `capacity`; returns its place, or the capacity when it is not among them.
static inline size_t put(candidate *list, size_t *count, size_t capacity, int32_t similarity, uint32_t node) {
    if (*count == capacity && !before(similarity, node, &list[capacity - 1])) return capacity;
    size_t low = 0, high = *count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (before(similarity, node, &list[middle])) high = middle;
        else low = middle + 1;
    }
    size_t moved = (*count < capacity ? *count : capacity - 1) - low;
    memmove(list + low + 1, list + low, moved * sizeof(candidate));
    list[low] = (candidate){similarity, node, 1};
    if (*count < capacity) (*count)++;
    return low;
}

/// Walks to the best neighbour in the layers from `from` down to above `to`.
static uint32_t descend(const forage_graph *graph, const int16_t *query, product multiply, uint32_t node,
                        uint32_t from, uint32_t to) {
    int32_t best = multiply(code_of(graph, node), query, graph->dimension);
    for (uint32_t level = from; level > to; level--) {
        for (int moved = 1; moved;) {
            moved = 0;
            // A link of a damaged file may lead to a node that this layer does not have.
            if (graph->levels[node] < level) break;
            const uint32_t *row = row_of(graph, node, level);
            for (uint32_t i = 0; i < graph->width && __atomic_load_n(&row[i], __ATOMIC_RELAXED) != NONE; i++)
                fetch_code(graph, row[i] < graph->count ? row[i] : 0);
            for (uint32_t i = 0; i < graph->width; i++) {
                uint32_t next = __atomic_load_n(&row[i], __ATOMIC_RELAXED);
                if (next >= graph->count) break;
                int32_t similarity = multiply(code_of(graph, next), query, graph->dimension);
                if (similarity > best) {
                    best = similarity;
                    node = next;
                    moved = 1;
                }
            }
        }
    }
    return node;
}

/// The next node with the same code, NONE after the last one.
static inline uint32_t next_copy(const forage_graph *graph, uint32_t node) {
    return graph->copies ? graph->copies[node] : NONE;
}

/// Puts a node and its copies into `found`, those of them that have a bit in `members`.
static void put_members(const forage_graph *graph, const uint64_t *members, uint32_t node, int32_t similarity,
                        size_t effort, size_t *found_count, forage_graph_scratch *scratch) {
    for (; node < graph->count; node = next_copy(graph, node))
        if (members[node / 64] >> (node % 64) & 1) put(scratch->found, found_count, effort, similarity, node);
}

/// The best `effort` nodes of a layer, from `start` on, into the pool; with `members`, those with a bit into `found`.
static size_t search_layer(const forage_graph *graph, const int16_t *query, product multiply, uint32_t start,
                           uint32_t level, size_t effort, const uint64_t *members, size_t *found_count,
                           forage_graph_scratch *scratch) {
    candidate *pool = scratch->pool;
    size_t count = 0, at = 0;
    int32_t similarity = multiply(code_of(graph, start), query, graph->dimension);
    see(scratch, start);
    put(pool, &count, effort, similarity, start);
    if (members) put_members(graph, members, start, similarity, effort, found_count, scratch);
    uint32_t width = row_width(graph, level), fresh[512];
    while (at < count) {
        if (!pool[at].open) {
            at++;
            continue;
        }
        pool[at].open = 0;
        const uint32_t *row = row_of(graph, pool[at].node, level);
        uint32_t fresh_count = 0;
        for (uint32_t i = 0; i < width; i++) {
            uint32_t next = __atomic_load_n(&row[i], __ATOMIC_RELAXED);
            if (next >= graph->count) break;
            if (!see(scratch, next)) continue;
            fresh[fresh_count++] = next;
            fetch_code(graph, next);
        }
        size_t lowest = effort;
        for (uint32_t i = 0; i < fresh_count; i++) {
            uint32_t next = fresh[i];
            similarity = multiply(code_of(graph, next), query, graph->dimension);
            size_t place = put(pool, &count, effort, similarity, next);
            if (place < lowest) lowest = place;
            if (place < effort) __builtin_prefetch(row_of(graph, next, level));
            if (members) put_members(graph, members, next, similarity, effort, found_count, scratch);
        }
        if (lowest <= at) at = lowest;
        else at++;
    }
    return count;
}

uint32_t forage_graph_search(const forage_graph *graph, const int16_t *query, uint32_t effort, const uint64_t *members,
                             uint32_t limit, forage_graph_hit *hits, forage_graph_scratch *scratch) {
    if (graph->count == 0 || limit == 0) return 0;
    if (effort < limit) effort = limit;
    if (!make_room(scratch, graph, effort)) return UINT32_MAX;
    product multiply = choose_product();
    uint32_t start = descend(graph, query, multiply, graph->entry, graph->levels[graph->entry], 0);
    size_t found = 0;
    size_t count = search_layer(graph, query, multiply, start, 0, effort, members, &found, scratch);
    forget(scratch);
    uint32_t hit_count = 0;
    if (members) {
        for (; hit_count < found && hit_count < limit; hit_count++)
            hits[hit_count] = (forage_graph_hit){scratch->found[hit_count].similarity, scratch->found[hit_count].node};
        return hit_count;
    }
    for (size_t i = 0; i < count; i++)
        for (uint32_t node = scratch->pool[i].node; node < graph->count && hit_count < limit;
             node = next_copy(graph, node))
            hits[hit_count++] = (forage_graph_hit){scratch->pool[i].similarity, node};
    return hit_count;
}

// ---- Building.

static inline void lock(uint8_t *locks, uint32_t node) {
    while (__atomic_exchange_n(&locks[node], 1, __ATOMIC_ACQUIRE)) {
#if defined(__x86_64__)
        _mm_pause();
#endif
    }
}

static inline void unlock(uint8_t *locks, uint32_t node) { __atomic_store_n(&locks[node], 0, __ATOMIC_RELEASE); }

static void widen(const int8_t *code, int16_t *wide, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) wide[i] = code[i];
}

/// Keeps of candidates, best first, those that are not nearer to a kept one than to the node: neighbours in all
/// directions. What room is left goes to the best of the others. Returns how many.
static uint32_t choose(const forage_graph *graph, const candidate *list, size_t count, uint32_t most, uint32_t *kept,
                       product multiply, int16_t *wide) {
    uint32_t kept_count = 0, other_count = 0, others[512];
    for (size_t i = 0; i < count && kept_count < most; i++) {
        widen(code_of(graph, list[i].node), wide, graph->dimension);
        int good = 1;
        for (uint32_t k = 0; k < kept_count && good; k++)
            good = multiply(code_of(graph, kept[k]), wide, graph->dimension) <= list[i].similarity;
        if (good) kept[kept_count++] = list[i].node;
        else if (other_count < 512) others[other_count++] = list[i].node;
    }
    // A few of the others make the graph robust where vectors are nearly the same.
    for (uint32_t i = 0; i < other_count && kept_count < most / 2; i++) kept[kept_count++] = others[i];
    return kept_count;
}

/// Adds `node` to the row of `neighbour`, which is thinned out when it is full.
static void connect(const forage_graph *graph, uint32_t neighbour, uint32_t node, uint32_t level, product multiply,
                    uint8_t *locks, int16_t *own, int16_t *wide) {
    uint32_t width = row_width(graph, level);
    lock(locks, neighbour);
    uint32_t *row = row_of(graph, neighbour, level);
    uint32_t used = 0;
    while (used < width && row[used] != NONE && row[used] != node) used++;
    if (used < width) {
        __atomic_store_n(&row[used], node, __ATOMIC_RELEASE);
    } else {
        candidate list[513];
        size_t count = 0;
        widen(code_of(graph, neighbour), own, graph->dimension);
        for (uint32_t i = 0; i < width; i++) fetch_code(graph, row[i]);
        for (uint32_t i = 0; i <= width; i++) {
            uint32_t other = i < width ? row[i] : node;
            put(list, &count, width + 1, multiply(code_of(graph, other), own, graph->dimension), other);
        }
        uint32_t kept[512];
        uint32_t kept_count = choose(graph, list, count, width, kept, multiply, wide);
        for (uint32_t i = 0; i < width; i++)
            __atomic_store_n(&row[i], i < kept_count ? kept[i] : NONE, __ATOMIC_RELAXED);
    }
    unlock(locks, neighbour);
}

int forage_graph_insert(const forage_graph *graph, uint32_t node, uint32_t entry, uint32_t effort, uint8_t *locks,
                        forage_graph_scratch *scratch) {
    if (graph->width > 256) return 0;
    if (effort < 2 * graph->width) effort = 2 * graph->width;
    if (!make_room(scratch, graph, effort)) return 0;
    uint32_t level = graph->levels[node], top = graph->levels[entry], highest = level < top ? level : top;
    // The node's neighbours, a row of `width` a layer, and how many there are of each.
    uint32_t *chosen = malloc((size_t)(highest + 1) * (graph->width + 1) * sizeof(uint32_t));
    int16_t *wide = malloc(3 * (size_t)graph->dimension * sizeof(int16_t));
    if (!wide || !chosen) {
        free(wide);
        free(chosen);
        return 0;
    }
    uint32_t *counts = chosen + (size_t)(highest + 1) * graph->width;
    int16_t *query = wide + graph->dimension, *own = query + graph->dimension;
    product multiply = choose_product();
    widen(code_of(graph, node), query, graph->dimension);
    uint32_t start = descend(graph, query, multiply, entry, top, highest);
    for (uint32_t layer = highest;; layer--) {
        size_t none = 0;
        size_t count = search_layer(graph, query, multiply, start, layer, effort, NULL, &none, scratch);
        forget(scratch);
        uint32_t *row = row_of(graph, node, layer);
        start = scratch->pool[0].node;
        counts[layer] = choose(graph, scratch->pool, count, graph->width, chosen + layer * graph->width, multiply, wide);
        for (uint32_t i = 0; i < counts[layer]; i++)
            __atomic_store_n(&row[i], chosen[layer * graph->width + i], __ATOMIC_RELEASE);
        if (layer == 0) break;
    }
    // Others link to the node only now that it has neighbours in every layer, and in the lowest one first: a thread that
    // came down through a node without neighbours below would find that node alone, and its own node would hang on it.
    for (uint32_t layer = 0; layer <= highest; layer++)
        for (uint32_t i = 0; i < counts[layer]; i++)
            connect(graph, chosen[layer * graph->width + i], node, layer, multiply, locks, own, wide);
    free(wide);
    free(chosen);
    return 1;
}
