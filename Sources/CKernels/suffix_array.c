// SPDX-License-Identifier: Apache-2.0
#include "suffix_array.h"
#include <stdlib.h>
#include <string.h>

/// A text of bytes or, in the recursion, of names.
typedef struct {
    const uint8_t *bytes; // NULL for names
    const int32_t *names;
    int32_t count;
    int32_t highest; // the highest letter
} letters;

static inline int32_t at(const letters *text, int32_t place) {
    return text->bytes ? text->bytes[place] : text->names[place];
}

/// Where the buckets of each letter begin (`start`, one more than letters), and within them the part of the suffixes that
/// are less than the one after them (`lesser`).
typedef struct {
    int32_t *start, *lesser, *next;
} buckets;

/// Sorts all suffixes from some that are in order already.
static void induce(const letters *text, const uint8_t *isLess, const buckets *b, const int32_t *sorted, int32_t sortedCount,
                   int32_t *out) {
    int32_t n = text->count;
    for (int32_t i = 0; i < n; i++) out[i] = -1;
    size_t size = ((size_t)text->highest + 2) * sizeof(int32_t);
    memcpy(b->next, b->lesser, size);
    for (int32_t i = 0; i < sortedCount; i++) out[b->next[at(text, sorted[i])]++] = sorted[i];
    memcpy(b->next, b->start, size);
    out[b->next[at(text, n - 1)]++] = n - 1;
    for (int32_t i = 0; i < n; i++) {
        int32_t place = out[i];
        if (place >= 1 && !isLess[place - 1]) out[b->next[at(text, place - 1)]++] = place - 1;
    }
    memcpy(b->next, b->start, size);
    for (int32_t i = n - 1; i >= 0; i--) {
        int32_t place = out[i];
        if (place >= 1 && isLess[place - 1]) out[--b->next[at(text, place - 1) + 1]] = place - 1;
    }
}

static int sort_suffixes(const letters *text, int32_t *out) {
    int32_t n = text->count;
    if (n == 0) return 1;
    if (n == 1) {
        out[0] = 0;
        return 1;
    }
    size_t size = ((size_t)text->highest + 2) * sizeof(int32_t);
    uint8_t *isLess = calloc((size_t)n, 1);
    buckets b = {calloc(1, size), calloc(1, size), calloc(1, size)};
    int32_t *number = NULL, *leftmost = NULL, *names = NULL, *order = NULL;
    int ok = 0;
    if (!isLess || !b.start || !b.lesser || !b.next) goto done;

    for (int32_t i = n - 2; i >= 0; i--) {
        int32_t x = at(text, i), y = at(text, i + 1);
        isLess[i] = x == y ? isLess[i + 1] : x < y;
    }
    for (int32_t i = 0; i < n; i++) {
        int32_t letter = at(text, i);
        if (isLess[i]) b.start[letter + 1]++; else b.lesser[letter]++;
    }
    for (int32_t letter = 0; letter <= text->highest; letter++) {
        b.lesser[letter] += b.start[letter];
        b.start[letter + 1] += b.lesser[letter];
    }

    // The places where a falling run ends: they and their pieces decide everything.
    int32_t count = 0;
    for (int32_t i = 1; i < n; i++) count += isLess[i] && !isLess[i - 1];
    if (count == 0) {
        induce(text, isLess, &b, NULL, 0, out);
        ok = 1;
        goto done;
    }
    number = malloc((size_t)n * sizeof(int32_t));
    leftmost = malloc((size_t)count * sizeof(int32_t));
    names = malloc((size_t)count * sizeof(int32_t));
    order = malloc((size_t)count * sizeof(int32_t));
    if (!number || !leftmost || !names || !order) goto done;
    memset(number, 0xFF, (size_t)n * sizeof(int32_t));
    for (int32_t i = 1, k = 0; i < n; i++) {
        if (isLess[i] && !isLess[i - 1]) {
            number[i] = k;
            leftmost[k++] = i;
        }
    }
    induce(text, isLess, &b, leftmost, count, out);
    int32_t sorted = 0;
    for (int32_t i = 0; i < n; i++) if (out[i] >= 0 && number[out[i]] >= 0) order[sorted++] = out[i];

    // Equal pieces get equal names.
    int32_t name = 0;
    names[number[order[0]]] = 0;
    for (int32_t i = 1; i < count; i++) {
        int32_t left = order[i - 1], right = order[i];
        int32_t leftEnd = number[left] + 1 < count ? leftmost[number[left] + 1] : n;
        int32_t rightEnd = number[right] + 1 < count ? leftmost[number[right] + 1] : n;
        int same = leftEnd - left == rightEnd - right;
        if (same) {
            int32_t l = left, r = right;
            while (l < leftEnd && at(text, l) == at(text, r)) l++, r++;
            same = l == leftEnd && l < n && r < n && at(text, l) == at(text, r);
        }
        if (!same) name++;
        names[number[order[i]]] = name;
    }
    if (name + 1 < count) {
        letters shorter = {NULL, names, count, name};
        if (!sort_suffixes(&shorter, order)) goto done;
        for (int32_t i = 0; i < count; i++) order[i] = leftmost[order[i]];
    }
    induce(text, isLess, &b, order, count, out);
    ok = 1;
done:
    free(isLess);
    free(b.start);
    free(b.lesser);
    free(b.next);
    free(number);
    free(leftmost);
    free(names);
    free(order);
    return ok;
}

int forage_suffix_array(const uint8_t *text, int32_t *suffixes, int32_t count) {
    letters all = {text, NULL, count, 255};
    return sort_suffixes(&all, suffixes);
}

void forage_suffix_narrow(const uint8_t *text, const int32_t *suffixes, int32_t count, int32_t depth, uint8_t byte,
                          int32_t *low, int32_t *high) {
    // The letter at the depth; a suffix that ends before it has none and comes first.
    int32_t from = *low, to = *high;
    while (from < to) {
        int32_t middle = from + (to - from) / 2, place = suffixes[middle];
        int letter = count - place > depth ? text[place + depth] : -1;
        if (letter < byte) from = middle + 1; else to = middle;
    }
    int32_t first = from;
    to = *high;
    while (from < to) {
        int32_t middle = from + (to - from) / 2, place = suffixes[middle];
        int letter = count - place > depth ? text[place + depth] : -1;
        if (letter <= byte) from = middle + 1; else to = middle;
    }
    *low = first;
    *high = from;
}
