// SPDX-License-Identifier: Apache-2.0
// Reading and writing of the block formats, one block at a time; portable.
#include "lm_blocks.h"
#include <math.h>
#include <stdatomic.h>

int lm_has_avx2(void) {
#if defined(__x86_64__)
    static _Atomic int known = -1;
    int has = atomic_load_explicit(&known, memory_order_relaxed);
    if (has < 0) {
        __builtin_cpu_init();
        has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        atomic_store_explicit(&known, has, memory_order_relaxed);
    }
    return has;
#else
    return 0;
#endif
}

#if defined(__x86_64__)
int lm_has_avx512_vnni(void) {
    static _Atomic int known = -1;
    int has = atomic_load_explicit(&known, memory_order_relaxed);
    if (has < 0) {
        __builtin_cpu_init();
        has = lm_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512vnni");
        atomic_store_explicit(&known, has, memory_order_relaxed);
    }
    return has;
}
#endif

int forage_lm_block_weights(int type) { return lm_block_weights(type); }
int forage_lm_block_bytes(int type) { return lm_block_bytes(type); }
float forage_lm_half_to_float(uint16_t half) { return lm_half(half); }

uint16_t forage_lm_float_to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    uint32_t magnitude = bits & 0x7FFFFFFF;
    if (magnitude >= 0x7F800000) return (uint16_t)(sign | 0x7C00 | (magnitude > 0x7F800000 ? 0x200 : 0));
    if (magnitude >= 0x477FF000) return sign | 0x7C00;
    if (magnitude < 0x38800000) {
        // Below the smallest normal half: the sum with 2^(23-24) leaves the rounded fraction in the low bits.
        float shifted;
        memcpy(&shifted, &magnitude, 4);
        shifted += 0.5f;
        uint32_t low;
        memcpy(&low, &shifted, 4);
        return (uint16_t)(sign | (low - 0x3F000000));
    }
    uint32_t rounded = magnitude + 0xFFF + (magnitude >> 13 & 1);
    return (uint16_t)(sign | (rounded - 0x38000000) >> 13);
}

void forage_lm_dequantize(int type, const void *source, float *out, size_t count) {
    const uint8_t *p = source;
    if (lm_is_float(type)) {
        for (size_t i = 0; i < count; i++) out[i] = lm_float_weight(type, p, i);
        return;
    }
    for (size_t b = 0; b < count / 32; b++) {
        uint8_t q[32];
        float d[2], m[2];
        lm_block_scales(type, p, (int)b, d, m);
        lm_block_levels(type, p, (int)b, q);
        for (int i = 0; i < 32; i++) {
            float level = lm_is_signed(type) ? (float)(int8_t)q[i] : (float)q[i];
            out[b * 32 + (size_t)i] = d[i >> 4] * level + m[i >> 4];
        }
    }
}

static void put_half(uint8_t *p, float value) {
    uint16_t half = forage_lm_float_to_half(value);
    memcpy(p, &half, 2);
}

static int level(float value, int low, int high) {
    int rounded = (int)lrintf(value);
    return rounded < low ? low : rounded > high ? high : rounded;
}

static void range(const float *x, int n, float *low, float *high) {
    *low = *high = x[0];
    for (int i = 1; i < n; i++) {
        if (x[i] < *low) *low = x[i];
        if (x[i] > *high) *high = x[i];
    }
}

static void quantize_32(int type, const float *x, uint8_t *p) {
    float low, high;
    range(x, 32, &low, &high);
    int with_minimum = lm_has_minimum(type), five = lm_level_bits(type) == 5, top = five ? 31 : 15;
    if (lm_is_signed(type)) {
        float most = fmaxf(fabsf(low), fabsf(high)), d = most / 127;
        put_half(p, d);
        for (int i = 0; i < 32; i++) p[2 + i] = (uint8_t)(int8_t)(d > 0 ? level(x[i] / d, -127, 127) : 0);
        return;
    }
    float d, m;
    if (with_minimum) {
        d = (high - low) / (float)top;
        m = low;
    } else {
        float extreme = fabsf(low) > fabsf(high) ? low : high;
        d = extreme / (float)-lm_zero(type);
        m = (float)-lm_zero(type) * d;
    }
    put_half(p, d);
    p += 2;
    if (with_minimum) {
        put_half(p, m);
        p += 2;
    }
    uint32_t bits = 0;
    uint8_t *q = five ? p + 4 : p;
    for (int i = 0; i < 16; i++) {
        int a = d != 0 ? level((x[i] - m) / d, 0, top) : 0, b = d != 0 ? level((x[i + 16] - m) / d, 0, top) : 0;
        q[i] = (uint8_t)((a & 15) | (b & 15) << 4);
        bits |= (uint32_t)(a >> 4) << i | (uint32_t)(b >> 4) << (i + 16);
    }
    if (five) memcpy(p, &bits, 4);
}

static void quantize_k(int type, const float *x, uint8_t *p) {
    int five = lm_level_bits(type) == 5, top = five ? 31 : 15, scales[8], minima[8];
    float d[8], m[8], most_d = 0, most_m = 0;
    memset(p, 0, (size_t)lm_block_bytes(type));
    for (int j = 0; j < 8; j++) {
        float low, high;
        range(x + 32 * j, 32, &low, &high);
        if (low > 0) low = 0;
        d[j] = (high - low) / (float)top;
        m[j] = -low;
        most_d = fmaxf(most_d, d[j]);
        most_m = fmaxf(most_m, m[j]);
    }
    put_half(p, most_d / 63);
    put_half(p + 2, most_m / 63);
    float all_d = lm_half(lm_u16(p)), all_m = lm_half(lm_u16(p + 2));
    for (int j = 0; j < 8; j++) {
        scales[j] = all_d > 0 ? level(d[j] / all_d, 0, 63) : 0;
        minima[j] = all_m > 0 ? level(m[j] / all_m, 0, 63) : 0;
        uint8_t *s = p + 4;
        if (j < 4) {
            s[j] |= (uint8_t)scales[j];
            s[j + 4] |= (uint8_t)minima[j];
        } else {
            s[j + 4] = (uint8_t)((scales[j] & 15) | (minima[j] & 15) << 4);
            s[j - 4] |= (uint8_t)(scales[j] >> 4 << 6);
            s[j] |= (uint8_t)(minima[j] >> 4 << 6);
        }
    }
    uint8_t *low_bits = p + (five ? 48 : 16), *high_bits = p + 16;
    for (int j = 0; j < 8; j++) {
        float scale = all_d * (float)scales[j], minimum = all_m * (float)minima[j];
        for (int i = 0; i < 32; i++) {
            int q = scale > 0 ? level((x[32 * j + i] + minimum) / scale, 0, top) : 0;
            low_bits[32 * (j >> 1) + i] |= (uint8_t)((q & 15) << (j & 1 ? 4 : 0));
            if (five) high_bits[i] |= (uint8_t)(q >> 4 << j);
        }
    }
}

static void quantize_6k(const float *x, uint8_t *p) {
    float d[16], most = 0;
    memset(p, 0, 210);
    for (int g = 0; g < 16; g++) {
        float low, high;
        range(x + 16 * g, 16, &low, &high);
        d[g] = fmaxf(fabsf(low), fabsf(high)) / 31;
        most = fmaxf(most, d[g]);
    }
    put_half(p + 208, most / 127);
    float all = lm_half(lm_u16(p + 208));
    for (int g = 0; g < 16; g++) {
        int scale = all > 0 ? level(d[g] / all, 0, 127) : 0;
        p[192 + g] = (uint8_t)(int8_t)scale;
        for (int l = 0; l < 16; l++) {
            int i = 16 * g + l, b = i >> 5, n = b >> 2, j = b & 3, at = i & 31;
            float unit = all * (float)scale;
            int q = (unit > 0 ? level(x[i] / unit, -32, 31) : 0) + 32;
            p[64 * n + 32 * (j & 1) + at] |= (uint8_t)((q & 15) << (j >= 2 ? 4 : 0));
            p[128 + 32 * n + at] |= (uint8_t)(q >> 4 << (2 * j));
        }
    }
}

int forage_lm_quantize(int type, const float *source, void *out, size_t count) {
    uint8_t *p = out;
    if (type == FORAGE_LM_F32) {
        memcpy(p, source, 4 * count);
        return 1;
    }
    if (type == FORAGE_LM_F16) {
        for (size_t i = 0; i < count; i++) put_half(p + 2 * i, source[i]);
        return 1;
    }
    if (type == FORAGE_LM_BF16) {
        for (size_t i = 0; i < count; i++) {
            uint32_t bits;
            memcpy(&bits, source + i, 4);
            uint16_t top = (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
            memcpy(p + 2 * i, &top, 2);
        }
        return 1;
    }
    size_t weights = (size_t)lm_block_weights(type), bytes = (size_t)lm_block_bytes(type);
    if (weights == 0) return 0;
    for (size_t b = 0; b < count / weights; b++) {
        const float *x = source + b * weights;
        if (weights == 32) quantize_32(type, x, p + b * bytes);
        else if (lm_groups(type) == 2) quantize_6k(x, p + b * bytes);
        else quantize_k(type, x, p + b * bytes);
    }
    return 1;
}

void forage_lm_quantize_activations(const forage_lm_activations *a, int first, int last) {
#if defined(__x86_64__)
    if (lm_has_avx2()) {
        lm_quantize_activations_avx2(a, first, last);
        return;
    }
#endif
    size_t columns = (size_t)a->columns, blocks = columns / 32;
    for (size_t r = (size_t)first; r < (size_t)last; r++)
        for (size_t b = 0; b < blocks; b++) {
            const float *x = a->x + r * columns + b * 32;
            float most = 0;
            for (int i = 0; i < 32; i++) most = fmaxf(most, fabsf(x[i]));
            float d = most / 127, inverse = most > 0 ? 127 / most : 0;
            int sums[2] = {0, 0};
            for (int i = 0; i < 32; i++) {
                int q = (int)lrintf(x[i] * inverse);
                a->q[r * columns + b * 32 + (size_t)i] = (int8_t)q;
                sums[i >> 4] += q;
            }
            // Scale and sum are kept to half precision, as the reference implementation's blocks are.
            a->sum[r * blocks + b] = lm_half(forage_lm_float_to_half(d * (float)(sums[0] + sums[1])));
            d = lm_half(forage_lm_float_to_half(d));
            a->d[r * blocks + b] = d;
            a->half_sum[(r * blocks + b) * 2] = d * (float)sums[0];
            a->half_sum[(r * blocks + b) * 2 + 1] = d * (float)sums[1];
        }
}
