// SPDX-License-Identifier: Apache-2.0
#include "columns.h"
#include "cpu_features.h"
#include <math.h>
#include <string.h>

// MARK: Scans

static inline void put(uint64_t *word, uint64_t found, forage_bits_mode mode) {
    if (mode == FORAGE_BITS_SET) *word = found;
    else if (mode == FORAGE_BITS_AND) *word &= found;
    else *word |= found;
}

// One comparison serves both bounds: (code - low) <= (high - low) in unsigned arithmetic.
#define PORTABLE_SCAN(NAME, TYPE)                                                                                       \
    static void NAME(const TYPE *codes, size_t from, size_t count, TYPE low, TYPE high, uint64_t *bits,                 \
                     forage_bits_mode mode) {                                                                           \
        TYPE width = (TYPE)(high - low);                                                                                \
        for (size_t i = from; i < count; i += 64) {                                                                     \
            size_t end = count - i < 64 ? count - i : 64;                                                               \
            uint64_t found = 0;                                                                                         \
            for (size_t j = 0; j < end; j++) found |= (uint64_t)((TYPE)(codes[i + j] - low) <= width) << j;             \
            put(&bits[i / 64], found, mode);                                                                            \
        }                                                                                                               \
    }
PORTABLE_SCAN(scan8_portable, uint8_t)
PORTABLE_SCAN(scan16_portable, uint16_t)
PORTABLE_SCAN(scan32_portable, uint32_t)

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2"))) static void scan8_avx2(const uint8_t *codes, size_t count, uint8_t low, uint8_t high,
                                                       uint64_t *bits, forage_bits_mode mode) {
    __m256i base = _mm256_set1_epi8((char)low), width = _mm256_set1_epi8((char)(high - low));
    size_t whole = count / 64 * 64;
    for (size_t i = 0; i < whole; i += 64) {
        if (mode == FORAGE_BITS_AND && bits[i / 64] == 0) continue;
        __m256i a = _mm256_sub_epi8(_mm256_loadu_si256((const __m256i *)(codes + i)), base);
        __m256i b = _mm256_sub_epi8(_mm256_loadu_si256((const __m256i *)(codes + i + 32)), base);
        // There is no unsigned comparison: x <= w exactly when min(x, w) == x.
        uint32_t x = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(a, width), a));
        uint32_t y = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(b, width), b));
        put(&bits[i / 64], (uint64_t)x | (uint64_t)y << 32, mode);
    }
    scan8_portable(codes, whole, count, low, high, bits, mode);
}

__attribute__((target("avx2"))) static void scan16_avx2(const uint16_t *codes, size_t count, uint16_t low,
                                                        uint16_t high, uint64_t *bits, forage_bits_mode mode) {
    __m256i base = _mm256_set1_epi16((short)low), width = _mm256_set1_epi16((short)(high - low));
    size_t whole = count / 64 * 64;
    for (size_t i = 0; i < whole; i += 64) {
        if (mode == FORAGE_BITS_AND && bits[i / 64] == 0) continue;
        uint64_t found = 0;
        for (int half = 0; half < 2; half++) {
            const __m256i *p = (const __m256i *)(codes + i + 32 * half);
            __m256i a = _mm256_sub_epi16(_mm256_loadu_si256(p), base);
            __m256i b = _mm256_sub_epi16(_mm256_loadu_si256(p + 1), base);
            a = _mm256_cmpeq_epi16(_mm256_min_epu16(a, width), a);
            b = _mm256_cmpeq_epi16(_mm256_min_epu16(b, width), b);
            // Packing works within 128-bit lanes; the permutation puts the quarters in order.
            __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xD8);
            found |= (uint64_t)(uint32_t)_mm256_movemask_epi8(packed) << (32 * half);
        }
        put(&bits[i / 64], found, mode);
    }
    scan16_portable(codes, whole, count, low, high, bits, mode);
}

__attribute__((target("avx2"))) static void scan32_avx2(const uint32_t *codes, size_t count, uint32_t low,
                                                        uint32_t high, uint64_t *bits, forage_bits_mode mode) {
    __m256i base = _mm256_set1_epi32((int)low), width = _mm256_set1_epi32((int)(high - low));
    size_t whole = count / 64 * 64;
    for (size_t i = 0; i < whole; i += 64) {
        if (mode == FORAGE_BITS_AND && bits[i / 64] == 0) continue;
        uint64_t found = 0;
        for (int part = 0; part < 8; part++) {
            __m256i a = _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)(codes + i + 8 * part)), base);
            a = _mm256_cmpeq_epi32(_mm256_min_epu32(a, width), a);
            found |= (uint64_t)(uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(a)) << (8 * part);
        }
        put(&bits[i / 64], found, mode);
    }
    scan32_portable(codes, whole, count, low, high, bits, mode);
}

static int has_avx2(void) {
    forage_cpu_level level = forage_cpu_get_level();
    return level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512;
}
#define SCAN(BITS)                                                                                                      \
    void forage_scan_codes##BITS(const uint##BITS##_t *codes, size_t count, uint##BITS##_t low, uint##BITS##_t high,    \
                                 uint64_t *bits, forage_bits_mode mode) {                                               \
        if (has_avx2()) scan##BITS##_avx2(codes, count, low, high, bits, mode);                                         \
        else scan##BITS##_portable(codes, 0, count, low, high, bits, mode);                                             \
    }
#else
#define SCAN(BITS)                                                                                                      \
    void forage_scan_codes##BITS(const uint##BITS##_t *codes, size_t count, uint##BITS##_t low, uint##BITS##_t high,    \
                                 uint64_t *bits, forage_bits_mode mode) {                                               \
        scan##BITS##_portable(codes, 0, count, low, high, bits, mode);                                                  \
    }
#endif
SCAN(8)
SCAN(16)
SCAN(32)

// MARK: Bits

static size_t count_portable(const uint64_t *bits, size_t words) {
    size_t count = 0;
    for (size_t i = 0; i < words; i++) count += (size_t)__builtin_popcountll(bits[i]);
    return count;
}

#if defined(__x86_64__)
__attribute__((target("popcnt"))) static size_t count_popcnt(const uint64_t *bits, size_t words) {
    size_t a = 0, b = 0, i = 0;
    for (; i + 2 <= words; i += 2) {
        a += (size_t)__builtin_popcountll(bits[i]);
        b += (size_t)__builtin_popcountll(bits[i + 1]);
    }
    if (i < words) a += (size_t)__builtin_popcountll(bits[i]);
    return a + b;
}
#endif

size_t forage_bits_count(const uint64_t *bits, size_t words) {
#if defined(__x86_64__)
    if (has_avx2()) return count_popcnt(bits, words);
#endif
    return count_portable(bits, words);
}

#define EACH_BIT(WORD, BASE, PLACE, BODY)                                                                               \
    for (uint64_t rest = (WORD); rest; rest &= rest - 1) {                                                              \
        size_t PLACE = (BASE) + (size_t)__builtin_ctzll(rest);                                                          \
        BODY                                                                                                            \
    }

size_t forage_bits_list(const uint64_t *bits, size_t words, uint32_t *places, size_t limit) {
    size_t n = 0;
    for (size_t w = 0; w < words; w++)
        EACH_BIT(bits[w], w * 64, place, {
            if (n == limit) return n;
            places[n++] = (uint32_t)place;
        })
    return n;
}

// MARK: Groups

void forage_count_codes8(const uint8_t *codes, size_t count, const uint64_t *bits, uint32_t *counts) {
    if (bits) {
        size_t words = (count + 63) / 64;
        for (size_t w = 0; w < words; w++) EACH_BIT(bits[w], w * 64, place, counts[codes[place]]++;)
        return;
    }
    // Equal neighbours would wait for each other's increment: four tables in turn.
    uint32_t tables[4][256];
    memset(tables, 0, sizeof tables);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        uint64_t eight;
        memcpy(&eight, codes + i, 8);
        tables[0][eight & 0xFF]++;
        tables[1][eight >> 8 & 0xFF]++;
        tables[2][eight >> 16 & 0xFF]++;
        tables[3][eight >> 24 & 0xFF]++;
        tables[0][eight >> 32 & 0xFF]++;
        tables[1][eight >> 40 & 0xFF]++;
        tables[2][eight >> 48 & 0xFF]++;
        tables[3][eight >> 56]++;
    }
    for (; i < count; i++) tables[0][codes[i]]++;
    for (int v = 0; v < 256; v++) {
        uint32_t sum = tables[0][v] + tables[1][v] + tables[2][v] + tables[3][v];
        if (sum) counts[v] += sum; // the caller's table ends at the largest code in use
    }
}

#define COUNT_CODES(BITS)                                                                                               \
    void forage_count_codes##BITS(const uint##BITS##_t *codes, size_t count, const uint64_t *bits, uint32_t *counts) {  \
        if (!bits) {                                                                                                    \
            for (size_t i = 0; i < count; i++) counts[codes[i]]++;                                                      \
            return;                                                                                                     \
        }                                                                                                               \
        size_t words = (count + 63) / 64;                                                                               \
        for (size_t w = 0; w < words; w++) EACH_BIT(bits[w], w * 64, place, counts[codes[place]]++;)                    \
    }
COUNT_CODES(16)
COUNT_CODES(32)

void forage_groups_clear(forage_group *groups, size_t count) {
    for (size_t i = 0; i < count; i++) groups[i] = (forage_group){0, 0, INFINITY, -INFINITY};
}

static inline void add(forage_group *group, double value) {
    if (value != value) return;
    group->count++;
    group->sum += value;
    group->least = value < group->least ? value : group->least;
    group->greatest = value > group->greatest ? value : group->greatest;
}

void forage_groups_add(const uint32_t *keys, const double *values, size_t count, forage_group *groups) {
    for (size_t i = 0; i < count; i++) add(&groups[keys[i]], values[i]);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static size_t total_avx2(const double *values, size_t count, forage_group *total) {
    __m256d sum[4], least = _mm256_set1_pd(total->least), greatest = _mm256_set1_pd(total->greatest);
    __m256i missing = _mm256_setzero_si256();
    for (int k = 0; k < 4; k++) sum[k] = _mm256_setzero_pd();
    size_t whole = count / 16 * 16;
    for (size_t i = 0; i < whole; i += 16)
        for (int k = 0; k < 4; k++) {
            __m256d v = _mm256_loadu_pd(values + i + 4 * k);
            __m256d none = _mm256_cmp_pd(v, v, _CMP_UNORD_Q);
            missing = _mm256_sub_epi64(missing, _mm256_castpd_si256(none));
            sum[k] = _mm256_add_pd(sum[k], _mm256_andnot_pd(none, v));
            // min and max return their second operand when either is NaN.
            least = _mm256_min_pd(v, least);
            greatest = _mm256_max_pd(v, greatest);
        }
    double s[4], l[4], g[4];
    int64_t m[4];
    _mm256_storeu_pd(s, _mm256_add_pd(_mm256_add_pd(sum[0], sum[1]), _mm256_add_pd(sum[2], sum[3])));
    _mm256_storeu_pd(l, least);
    _mm256_storeu_pd(g, greatest);
    _mm256_storeu_si256((__m256i *)m, missing);
    total->count += whole - (size_t)(m[0] + m[1] + m[2] + m[3]);
    total->sum += (s[0] + s[1]) + (s[2] + s[3]);
    for (int k = 0; k < 4; k++) {
        total->least = l[k] < total->least ? l[k] : total->least;
        total->greatest = g[k] > total->greatest ? g[k] : total->greatest;
    }
    return whole;
}
#endif

void forage_values_total(const double *values, size_t count, const uint64_t *bits, forage_group *total) {
    forage_groups_clear(total, 1);
    if (bits) {
        size_t words = (count + 63) / 64;
        for (size_t w = 0; w < words; w++) EACH_BIT(bits[w], w * 64, place, add(total, values[place]);)
        return;
    }
    size_t i = 0;
#if defined(__x86_64__)
    if (has_avx2()) i = total_avx2(values, count, total);
#endif
    for (; i < count; i++) add(total, values[i]);
}

#if defined(__x86_64__)
#define COMBINE_AVX2(BITS)                                                                                              \
    __attribute__((target("avx2"))) static void combine_avx2_##BITS(const uint##BITS##_t *restrict codes, size_t count, \
                                                                    uint32_t radix, uint32_t *restrict keys) {          \
        for (size_t i = 0; i < count; i++) keys[i] = keys[i] * radix + codes[i];                                        \
    }
COMBINE_AVX2(8)
COMBINE_AVX2(16)
COMBINE_AVX2(32)
#define COMBINE_FAST(BITS)                                                                                              \
    if (!places && !table && forage_cpu_get_level() >= FORAGE_CPU_AVX2) return combine_avx2_##BITS(codes, count, radix, keys);
#else
#define COMBINE_FAST(BITS)
#endif

#define KEYED(BITS)                                                                                                     \
    void forage_keys_combine##BITS(const uint##BITS##_t *codes, const uint32_t *places, size_t count,                   \
                                   const uint32_t *table, uint32_t radix, uint32_t *keys) {                             \
        COMBINE_FAST(BITS)                                                                                              \
        if (!places && !table)                                                                                          \
            for (size_t i = 0; i < count; i++) keys[i] = keys[i] * radix + codes[i];                                    \
        else if (!places)                                                                                               \
            for (size_t i = 0; i < count; i++) keys[i] = keys[i] * radix + table[codes[i]];                             \
        else if (!table)                                                                                                \
            for (size_t i = 0; i < count; i++) keys[i] = keys[i] * radix + codes[places[i]];                            \
        else                                                                                                            \
            for (size_t i = 0; i < count; i++) keys[i] = keys[i] * radix + table[codes[places[i]]];                     \
    }                                                                                                                   \
    void forage_values_lookup##BITS(const uint##BITS##_t *codes, const uint32_t *places, size_t count,                  \
                                    const double *table, double *out) {                                                 \
        if (places)                                                                                                     \
            for (size_t i = 0; i < count; i++) out[i] = table[codes[places[i]]];                                        \
        else                                                                                                            \
            for (size_t i = 0; i < count; i++) out[i] = table[codes[i]];                                                \
    }
KEYED(8)
KEYED(16)
KEYED(32)

void forage_values_gather(const double *values, const uint32_t *places, size_t count, double *out) {
    for (size_t i = 0; i < count; i++) out[i] = values[places[i]];
}

void forage_groups_count(const uint32_t *keys, size_t count, uint64_t *counts) {
    for (size_t i = 0; i < count; i++) counts[keys[i]]++;
}

void forage_groups_sum(const uint32_t *keys, const double *values, size_t count, forage_group_sum *groups) {
    for (size_t i = 0; i < count; i++) {
        double value = values[i];
        int present = value == value;
        groups[keys[i]].count += (uint64_t)present;
        groups[keys[i]].sum += present ? value : 0;
    }
}
