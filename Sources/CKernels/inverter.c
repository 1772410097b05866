// SPDX-License-Identifier: Apache-2.0
#include "inverter.h"
#include "keyword_kernels.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// A distinct term of the run.
typedef struct {
    uint64_t offset; // in the arena
    uint32_t length;
    uint32_t hash;
    uint32_t count; // postings
    uint32_t last;  // the passage (plus one) in which it was seen last
    uint32_t units; // of that passage
} term_entry;

typedef struct {
    uint32_t term, units;
} pair;

struct forage_inverter {
    uint32_t *slots; // term number plus one
    size_t slot_count;
    term_entry *terms;
    size_t term_count, term_capacity;
    uint8_t *arena;
    size_t arena_count, arena_capacity;
    pair *pairs; // all postings, by passage
    size_t pair_count, pair_capacity;
    uint32_t *passages;   // of the passages in the run,
    size_t *passage_ends; // and where their pairs end
    size_t passage_count, passage_capacity;
    uint32_t *current; // the terms of the open passage
    size_t current_count, current_capacity;
    uint32_t passage;
};

static int grow(void **memory, size_t *capacity, size_t needed, size_t element) {
    if (needed <= *capacity) return 1;
    size_t larger = *capacity < 512 ? 1024 : *capacity * 2;
    if (larger < needed) larger = needed;
    void *moved = realloc(*memory, larger * element);
    if (!moved) return 0;
    *memory = moved;
    *capacity = larger;
    return 1;
}

forage_inverter *forage_inverter_create(void) {
    forage_inverter *inverter = calloc(1, sizeof *inverter);
    if (!inverter) return NULL;
    inverter->slot_count = 1 << 16;
    inverter->slots = calloc(inverter->slot_count, sizeof(uint32_t));
    if (!inverter->slots) {
        free(inverter);
        return NULL;
    }
    return inverter;
}

void forage_inverter_free(forage_inverter *inverter) {
    if (!inverter) return;
    free(inverter->slots);
    free(inverter->terms);
    free(inverter->arena);
    free(inverter->pairs);
    free(inverter->passages);
    free(inverter->passage_ends);
    free(inverter->current);
    free(inverter);
}

size_t forage_inverter_postings(const forage_inverter *inverter) { return inverter->pair_count; }

void forage_inverter_begin(forage_inverter *inverter, uint32_t passage) {
    inverter->passage = passage;
    inverter->current_count = 0;
}

static uint32_t hash_of(const uint8_t *bytes, size_t count) {
    uint64_t hash = 0x9E3779B97F4A7C15ull ^ count;
    while (count >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * 0xFF51AFD7ED558CCDull;
        hash ^= hash >> 32;
        bytes += 8;
        count -= 8;
    }
    uint64_t word = 0;
    memcpy(&word, bytes, count);
    hash = (hash ^ word) * 0xC4CEB9FE1A85EC53ull;
    return (uint32_t)(hash >> 32);
}

static int rehash(forage_inverter *inverter) {
    size_t larger = inverter->slot_count * 2;
    uint32_t *slots = calloc(larger, sizeof(uint32_t));
    if (!slots) return 0;
    for (size_t i = 0; i < inverter->term_count; i++) {
        size_t slot = inverter->terms[i].hash & (larger - 1);
        while (slots[slot]) slot = (slot + 1) & (larger - 1);
        slots[slot] = (uint32_t)i + 1;
    }
    free(inverter->slots);
    inverter->slots = slots;
    inverter->slot_count = larger;
    return 1;
}

int forage_inverter_add(forage_inverter *inverter, const uint8_t *bytes, size_t count, uint32_t units) {
    uint32_t hash = hash_of(bytes, count);
    size_t mask = inverter->slot_count - 1, slot = hash & mask;
    uint32_t number;
    for (;;) {
        uint32_t held = inverter->slots[slot];
        if (held == 0) {
            if (!grow((void **)&inverter->terms, &inverter->term_capacity, inverter->term_count + 1, sizeof(term_entry)) ||
                !grow((void **)&inverter->arena, &inverter->arena_capacity, inverter->arena_count + count, 1))
                return 0;
            number = (uint32_t)inverter->term_count++;
            memcpy(inverter->arena + inverter->arena_count, bytes, count);
            inverter->terms[number] = (term_entry){inverter->arena_count, (uint32_t)count, hash, 0, 0, 0};
            inverter->arena_count += count;
            inverter->slots[slot] = number + 1;
            if (inverter->term_count * 2 > inverter->slot_count && !rehash(inverter)) return 0;
            break;
        }
        const term_entry *entry = &inverter->terms[held - 1];
        if (entry->hash == hash && entry->length == count &&
            memcmp(inverter->arena + entry->offset, bytes, count) == 0) {
            number = held - 1;
            break;
        }
        slot = (slot + 1) & mask;
    }
    term_entry *entry = &inverter->terms[number];
    if (entry->last == inverter->passage + 1) {
        entry->units += units;
        return 1;
    }
    entry->last = inverter->passage + 1;
    entry->units = units;
    if (!grow((void **)&inverter->current, &inverter->current_capacity, inverter->current_count + 1, sizeof(uint32_t)))
        return 0;
    inverter->current[inverter->current_count++] = number;
    return 1;
}

int forage_inverter_end(forage_inverter *inverter) {
    size_t ends = inverter->passage_capacity;
    if (!grow((void **)&inverter->pairs, &inverter->pair_capacity, inverter->pair_count + inverter->current_count,
              sizeof(pair)) ||
        !grow((void **)&inverter->passage_ends, &ends, inverter->passage_count + 1, sizeof(size_t)) ||
        !grow((void **)&inverter->passages, &inverter->passage_capacity, inverter->passage_count + 1, sizeof(uint32_t)))
        return 0;
    for (size_t i = 0; i < inverter->current_count; i++) {
        term_entry *entry = &inverter->terms[inverter->current[i]];
        entry->count++;
        inverter->pairs[inverter->pair_count++] = (pair){inverter->current[i], entry->units};
    }
    inverter->passages[inverter->passage_count] = inverter->passage;
    inverter->passage_ends[inverter->passage_count++] = inverter->pair_count;
    return 1;
}

// ---- Runs.

/// A term's first bytes as a number that sorts as they do, beside its number.
typedef struct {
    uint64_t prefix;
    const uint8_t *bytes;
    uint32_t length, number;
} sort_key;

static int by_bytes(const void *a, const void *b) {
    const sort_key *x = a, *y = b;
    if (x->prefix != y->prefix) return x->prefix < y->prefix ? -1 : 1;
    size_t shorter = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->bytes, y->bytes, shorter);
    if (order != 0) return order;
    return x->length < y->length ? -1 : x->length > y->length ? 1 : 0;
}

static size_t put_number(uint8_t *out, uint64_t value) {
    size_t count = 0;
    while (value >= 0x80) {
        out[count++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[count++] = (uint8_t)value;
    return count;
}

int forage_inverter_write(forage_inverter *inverter, const char *path) {
    size_t terms = inverter->term_count, postings = inverter->pair_count;
    sort_key *keys = malloc((terms + 1) * sizeof(sort_key));
    size_t *starts = malloc((terms + 1) * sizeof(size_t));
    pair *sorted = malloc((postings + 1) * sizeof(pair)); // passage and units, by term
    uint8_t *bytes = NULL;
    size_t capacity = 0;
    int status = ENOMEM;
    FILE *file = NULL;
    if (!keys || !starts || !sorted) goto done;
    size_t at = 0;
    for (size_t i = 0; i < terms; i++) {
        const term_entry *entry = &inverter->terms[i];
        starts[i] = at;
        at += entry->count;
        uint64_t prefix = 0;
        const uint8_t *term = inverter->arena + entry->offset;
        for (uint32_t b = 0; b < 8; b++) prefix = prefix << 8 | (b < entry->length ? term[b] : 0);
        keys[i] = (sort_key){prefix, term, entry->length, (uint32_t)i};
    }
    for (size_t p = 0, from = 0; p < inverter->passage_count; from = inverter->passage_ends[p++])
        for (size_t i = from; i < inverter->passage_ends[p]; i++)
            sorted[starts[inverter->pairs[i].term]++] = (pair){inverter->passages[p], inverter->pairs[i].units};
    qsort(keys, terms, sizeof(sort_key), by_bytes);
    file = fopen(path, "wbe");
    if (!file) {
        status = errno;
        goto done;
    }
    for (size_t k = 0; k < terms; k++) {
        const term_entry *entry = &inverter->terms[keys[k].number];
        if (!grow((void **)&bytes, &capacity, (size_t)entry->count * 10 + 32, 1)) goto done;
        const pair *own = sorted + starts[keys[k].number] - entry->count;
        size_t count = 0;
        uint32_t previous = UINT32_MAX;
        for (uint32_t i = 0; i < entry->count; i++) {
            count += put_number(bytes + count, own[i].term - previous - 1);
            count += put_number(bytes + count, own[i].units - 1);
            previous = own[i].term;
        }
        uint8_t head[32];
        size_t head_count = put_number(head, entry->length);
        head_count += put_number(head + head_count, count);
        head_count += put_number(head + head_count, entry->count);
        errno = 0;
        if (fwrite(head, 1, head_count, file) != head_count ||
            fwrite(keys[k].bytes, 1, entry->length, file) != entry->length || fwrite(bytes, 1, count, file) != count) {
            status = errno ? errno : EIO;
            goto done;
        }
    }
    status = 0;
    memset(inverter->slots, 0, inverter->slot_count * sizeof(uint32_t));
    inverter->term_count = inverter->arena_count = inverter->pair_count = inverter->passage_count = 0;
done:
    if (file && fclose(file) != 0 && status == 0) status = errno;
    free(bytes);
    free(keys);
    free(starts);
    free(sorted);
    return status;
}

// ---- Merging.

typedef struct {
    const uint8_t *bytes;
    uint64_t size, at;
    const uint8_t *term;
    uint32_t term_length, count;
    const uint8_t *postings;
    uint64_t posting_size;
    int ended;
} run;

struct forage_run_merger {
    run *runs;
    uint32_t run_count;
    const forage_norms *norms;
    float unit;
    uint32_t *passages, *frequencies;
    size_t capacity, frequency_capacity;
    uint8_t *encoded;
    size_t encoded_capacity;
};

static int get_number(const uint8_t *bytes, uint64_t size, uint64_t *at, uint64_t *number) {
    uint64_t value = 0;
    uint32_t shift = 0;
    for (;;) {
        if (*at >= size || shift > 56) return 0;
        uint8_t byte = bytes[(*at)++];
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) break;
        shift += 7;
    }
    *number = value;
    return 1;
}

static int advance(run *run) {
    if (run->at >= run->size) {
        run->ended = 1;
        return 1;
    }
    uint64_t term, postings, count;
    if (!get_number(run->bytes, run->size, &run->at, &term) || !get_number(run->bytes, run->size, &run->at, &postings) ||
        !get_number(run->bytes, run->size, &run->at, &count) || term > run->size - run->at ||
        postings > run->size - run->at - term || count > postings)
        return 0;
    run->term = run->bytes + run->at;
    run->term_length = (uint32_t)term;
    run->count = (uint32_t)count;
    run->postings = run->term + term;
    run->posting_size = postings;
    run->at += term + postings;
    return 1;
}

forage_run_merger *forage_run_merger_create(const uint8_t *const *runs, const uint64_t *sizes, uint32_t count,
                                            const forage_norms *norms, float unit) {
    forage_run_merger *merger = calloc(1, sizeof *merger);
    if (!merger) return NULL;
    merger->runs = calloc(count + 1, sizeof(run));
    merger->run_count = count;
    merger->norms = norms;
    merger->unit = unit;
    if (!merger->runs) goto failed;
    for (uint32_t i = 0; i < count; i++) {
        merger->runs[i].bytes = runs[i];
        merger->runs[i].size = sizes[i];
        if (!advance(&merger->runs[i])) goto failed;
    }
    return merger;
failed:
    forage_run_merger_free(merger);
    return NULL;
}

void forage_run_merger_free(forage_run_merger *merger) {
    if (!merger) return;
    free(merger->runs);
    free(merger->passages);
    free(merger->frequencies);
    free(merger->encoded);
    free(merger);
}

static int compare(const run *x, const run *y) {
    size_t shorter = x->term_length < y->term_length ? x->term_length : y->term_length;
    int order = memcmp(x->term, y->term, shorter);
    if (order != 0) return order;
    return x->term_length < y->term_length ? -1 : x->term_length > y->term_length ? 1 : 0;
}

int forage_run_merger_next(forage_run_merger *merger, forage_merged_term *term) {
    const run *least = NULL;
    for (uint32_t i = 0; i < merger->run_count; i++) {
        const run *candidate = &merger->runs[i];
        if (!candidate->ended && (!least || compare(candidate, least) < 0)) least = candidate;
    }
    if (!least) return 0;
    run key = *least;
    uint64_t total = 0;
    for (uint32_t i = 0; i < merger->run_count; i++)
        if (!merger->runs[i].ended && compare(&merger->runs[i], &key) == 0) total += merger->runs[i].count;
    if (total > UINT32_MAX ||
        !grow((void **)&merger->passages, &merger->capacity, total, sizeof(uint32_t)) ||
        !grow((void **)&merger->frequencies, &merger->frequency_capacity, total, sizeof(uint32_t)) ||
        !grow((void **)&merger->encoded, &merger->encoded_capacity, forage_posting_bound((uint32_t)total), 1))
        return -1;
    size_t count = 0;
    for (uint32_t i = 0; i < merger->run_count; i++) {
        run *own = &merger->runs[i];
        if (own->ended || compare(own, &key) != 0) continue;
        uint64_t at = 0;
        uint32_t previous = UINT32_MAX;
        for (uint32_t p = 0; p < own->count; p++) {
            uint64_t gap, units;
            if (!get_number(own->postings, own->posting_size, &at, &gap) ||
                !get_number(own->postings, own->posting_size, &at, &units))
                return -1;
            previous += (uint32_t)gap + 1;
            merger->passages[count] = previous;
            merger->frequencies[count++] = (uint32_t)units + 1;
        }
        if (!advance(own)) return -1;
    }
    term->term = key.term;
    term->term_length = key.term_length;
    term->posting_count = (uint32_t)count;
    term->size = forage_posting_encode(merger->passages, merger->frequencies, (uint32_t)count, merger->norms,
                                       merger->unit, merger->encoded);
    term->postings = merger->encoded;
    return 1;
}
