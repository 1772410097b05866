// SPDX-License-Identifier: Apache-2.0
// The block formats of GGUF weights. Every format is read as unsigned levels q (signed for Q8_0) with, for each half
// of 32 weights, a scale d and an offset m: weight = d q + m.
#pragma once
#include "lm_kernels.h"
#include <string.h>

#define LM_INLINE static inline __attribute__((always_inline))

LM_INLINE uint16_t lm_u16(const uint8_t *p) {
    uint16_t v;
    memcpy(&v, p, 2);
    return v;
}

LM_INLINE float lm_half(uint16_t h) {
#if defined(__aarch64__)
    __fp16 half;
    memcpy(&half, &h, 2);
    return (float)half;
#else
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 0x3FF, bits;
    if (exponent == 0) {
        float value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    bits = exponent == 31 ? sign | 0x7F800000u | fraction << 13 : sign | (exponent + 112) << 23 | fraction << 13;
    float value;
    memcpy(&value, &bits, 4);
    return value;
#endif
}

/// Where a quantised type keeps its scales; see lm_types.h.
typedef enum { LM_SCALES_ONE, LM_SCALES_MINIMUM, LM_SCALES_SIX_BITS, LM_SCALES_HALVES } lm_scales_kind;

// A column of the table as a function, which the compiler works out where the type is a constant.
#define LM_COLUMN(function, result, value, otherwise) \
    LM_INLINE result function(int type) { \
        switch (type) { \
            FORAGE_LM_TYPES(value) \
        default: return otherwise; \
        } \
    }
#define LM_WEIGHTS(name, number, weights, bytes, bits, scales, zero) case number: return weights;
#define LM_BYTES(name, number, weights, bytes, bits, scales, zero) case number: return bytes;
#define LM_BITS(name, number, weights, bytes, bits, scales, zero) case number: return bits;
#define LM_SCALES(name, number, weights, bytes, bits, scales, zero) case number: return LM_SCALES_##scales;
#define LM_ZERO(name, number, weights, bytes, bits, scales, zero) case number: return zero;
/// Weights and bytes of a block; 0 for a type that is not in the table.
LM_COLUMN(lm_block_weights, int, LM_WEIGHTS, 0)
LM_COLUMN(lm_block_bytes, int, LM_BYTES, 0)
/// Bits of a level.
LM_COLUMN(lm_level_bits, int, LM_BITS, 8)
LM_COLUMN(lm_scales, lm_scales_kind, LM_SCALES, LM_SCALES_ONE)
/// The level whose weight is 0, where the blocks do not say.
LM_COLUMN(lm_zero, int, LM_ZERO, 0)
#undef LM_COLUMN
#undef LM_WEIGHTS
#undef LM_BYTES
#undef LM_BITS
#undef LM_SCALES
#undef LM_ZERO

LM_INLINE int lm_is_float(int type) { return lm_block_weights(type) == 1; }
LM_INLINE int lm_is_super(int type) { return lm_block_weights(type) == 256; }
/// Types whose levels are signed bytes rather than unsigned numbers.
LM_INLINE int lm_is_signed(int type) { return lm_level_bits(type) == 8; }
/// Super-blocks of 6-bit scales and minima.
LM_INLINE int lm_is_six(int type) { return lm_scales(type) == LM_SCALES_SIX_BITS; }
/// Parts of a block of 32 weights that have a scale of their own.
LM_INLINE int lm_groups(int type) { return lm_scales(type) == LM_SCALES_HALVES ? 2 : 1; }

/// Formats whose blocks store their minimum: their products use the sum in half precision, the others the exact one.
LM_INLINE int lm_has_minimum(int type) { return lm_scales(type) == LM_SCALES_MINIMUM; }

/// What the offsets of a weight block are multiplied by: the sum of activation block `b`, counted over all rows.
LM_INLINE float lm_block_sum(int type, const forage_lm_activations *a, int b) {
    return lm_has_minimum(type) ? a->sum[b] : a->half_sum[2 * b] + a->half_sum[2 * b + 1];
}

/// Where the 32 weights of block `b` of a row start: the block, or the super-block of 256 that holds it.
LM_INLINE const uint8_t *lm_block(int type, const uint8_t *row, int b) {
    return lm_is_super(type) ? row + (size_t)(b >> 3) * (size_t)lm_block_bytes(type)
                             : row + (size_t)b * (size_t)lm_block_bytes(type);
}

/// The 6-bit scale and minimum of sub-block j of a Q4_K or Q5_K super-block.
LM_INLINE void lm_scale6(const uint8_t *s, int j, int *scale, int *minimum) {
    if (j < 4) {
        *scale = s[j] & 63;
        *minimum = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        *minimum = (s[j + 4] >> 4) | (s[j] >> 6) << 4;
    }
}

/// Scale and offset of both halves of block `b`.
LM_INLINE void lm_block_scales(int type, const uint8_t *row, int b, float d[2], float m[2]) {
    const uint8_t *p = lm_block(type, row, b);
    int scale, minimum;
    switch (lm_scales(type)) {
    case LM_SCALES_ONE:
        d[0] = lm_half(lm_u16(p));
        m[0] = lm_zero(type) ? (float)-lm_zero(type) * d[0] : 0;
        break;
    case LM_SCALES_MINIMUM:
        d[0] = lm_half(lm_u16(p));
        m[0] = lm_half(lm_u16(p + 2));
        break;
    case LM_SCALES_SIX_BITS:
        lm_scale6(p + 4, b & 7, &scale, &minimum);
        d[0] = lm_half(lm_u16(p)) * (float)scale;
        m[0] = -(lm_half(lm_u16(p + 2)) * (float)minimum);
        break;
    case LM_SCALES_HALVES: {
        const int8_t *s = (const int8_t *)p + 192 + 2 * (b & 7);
        float all = lm_half(lm_u16(p + 208));
        d[0] = all * (float)s[0];
        d[1] = all * (float)s[1];
        m[0] = (float)-lm_zero(type) * d[0];
        m[1] = (float)-lm_zero(type) * d[1];
        return;
    }
    }
    d[1] = d[0];
    m[1] = m[0];
}

/// The 32 levels of block `b`.
LM_INLINE void lm_block_levels(int type, const uint8_t *row, int b, uint8_t q[32]) {
    const uint8_t *p = lm_block(type, row, b);
    const int bits = lm_level_bits(type), j = b & 7;
    if (bits == 8) {
        memcpy(q, p + 2, 32);
    } else if (!lm_is_super(type)) {
        // Weight i in the low half of byte i, weight i + 16 in its high half; before them a fifth bit of each.
        uint32_t high = 0;
        p += lm_has_minimum(type) ? 4 : 2;
        if (bits == 5) {
            memcpy(&high, p, 4);
            p += 4;
        }
        for (int i = 0; i < 16; i++) {
            q[i] = (uint8_t)((p[i] & 15) | (high >> i & 1) << 4);
            q[i + 16] = (uint8_t)(p[i] >> 4 | (high >> (i + 16) & 1) << 4);
        }
    } else if (bits == 6) {
        int n = j >> 2, part = j & 3;
        const uint8_t *low = p + 64 * n + 32 * (part & 1), *top = p + 128 + 32 * n;
        for (int i = 0; i < 32; i++)
            q[i] = (uint8_t)((part >= 2 ? low[i] >> 4 : low[i] & 15) | (top[i] >> (2 * part) & 3) << 4);
    } else {
        const uint8_t *low = p + (bits == 5 ? 48 : 16) + 32 * (j >> 1);
        for (int i = 0; i < 32; i++) q[i] = j & 1 ? low[i] >> 4 : low[i] & 15;
        if (bits == 5)
            for (int i = 0; i < 32; i++) q[i] |= (uint8_t)((p[16 + i] >> j & 1) << 4);
    }
}

LM_INLINE float lm_float_weight(int type, const uint8_t *p, size_t i) {
    uint32_t bits;
    float value;
    switch (type) {
    case FORAGE_LM_F16: return lm_half(lm_u16(p + 2 * i));
    case FORAGE_LM_BF16:
        bits = (uint32_t)lm_u16(p + 2 * i) << 16;
        memcpy(&value, &bits, 4);
        return value;
    default: memcpy(&value, p + 4 * i, 4); return value;
    }
}

/// Whether the AVX2 variants run. It follows the processor, not a level forced for the other kernels: results that
/// must agree bit for bit stay those of one variant for the life of the process. The portable product has its own entry.
int lm_has_avx2(void);

/// The types whose products are taken of panels (forage_lm_pack) rather than of the file's rows.
LM_INLINE int lm_is_packed(int type) { return !lm_is_float(type); }

// A panel: sixteen rows of a quantised matrix, laid out for vectors that hold one row in each lane. It has the bytes of
// the file's blocks, rounded up to 64, and every scale as the file has it.
//
// First come the levels, block after block of 32 columns. A block has eight groups of four columns, and a group is 64
// bytes [16 rows][4 columns]. With 8 bits the groups follow one another. With fewer, there are four times 64 bytes that
// hold group g in their low half-bytes and group g + 4 in their high ones; then, with 5 bits, 64 bytes whose bit g is
// the fifth bit of group g; or, with 6, twice 64 bytes whose bits 2j and 2j + 1 are the top bits of group j and 4 + j.
// Then come the scales: for each block halves d[16], and m[16] where blocks store their minimum; for each super-block of
// eight, halves d[16], m[16] and the twelve bytes of 6-bit scales and minima as [3][16 rows][4] (Q4_K, Q5_K), or halves
// d[16] and signed bytes [16 halves of blocks][16 rows] (Q6_K).

/// Bytes of the levels of one block.
LM_INLINE size_t lm_panel_level_bytes(int type) { return (size_t)lm_level_bits(type) * 64; }
/// Bytes of the scales of one block, or super-block.
LM_INLINE size_t lm_panel_scale_bytes(int type) {
    return (size_t)lm_block_bytes(type) * 16 - lm_panel_level_bytes(type) * (size_t)(lm_block_weights(type) / 32);
}
/// Bytes of one panel.
LM_INLINE size_t lm_panel_bytes(int type, int columns) {
    size_t bytes = (size_t)columns / (size_t)lm_block_weights(type) * (size_t)lm_block_bytes(type) * 16;
    return (bytes + 63) / 64 * 64;
}
/// The scales of the block `b` of a panel, or of the super-block that holds it.
LM_INLINE const uint8_t *lm_panel_scales(int type, const uint8_t *panel, int blocks, int b) {
    return panel + (size_t)blocks * lm_panel_level_bytes(type) +
           (size_t)(lm_is_super(type) ? b >> 3 : b) * lm_panel_scale_bytes(type);
}

/// Scale and offset of both halves of block `b` of one row of a panel.
LM_INLINE void lm_panel_row_scales(int type, const uint8_t *panel, int blocks, int b, int row, float d[2], float m[2]) {
    const uint8_t *p = lm_panel_scales(type, panel, blocks, b);
    // The row's block as the file has it, as far as its scales go.
    uint8_t block[210];
    memcpy(block, p + 2 * row, 2);
    if (lm_groups(type) == 2) {
        memcpy(block + 208, p + 2 * row, 2);
        for (int i = 0; i < 16; i++) block[192 + i] = p[32 + 16 * i + row];
    } else if (lm_has_minimum(type) || lm_is_super(type)) {
        memcpy(block + 2, p + 32 + 2 * row, 2);
        if (lm_is_super(type))
            for (int i = 0; i < 3; i++) memcpy(block + 4 + 4 * i, p + 64 + 64 * i + 4 * row, 4);
    }
    lm_block_scales(type, block, lm_is_super(type) ? b & 7 : 0, d, m);
}

/// The 32 levels of block `b` of one row of a panel.
LM_INLINE void lm_panel_row_levels(int type, const uint8_t *panel, int b, int row, uint8_t q[32]) {
    const int bits = lm_level_bits(type);
    const uint8_t *p = panel + (size_t)b * lm_panel_level_bytes(type) + 4 * (size_t)row;
    for (int g = 0; g < 8; g++)
        for (int i = 0; i < 4; i++) {
            uint8_t *out = q + 4 * g + i;
            if (bits == 8) {
                *out = p[64 * g + i];
                continue;
            }
            *out = g < 4 ? p[64 * g + i] & 15 : p[64 * (g - 4) + i] >> 4;
            if (bits == 5) *out |= (uint8_t)((p[256 + i] >> g & 1) << 4);
            if (bits == 6) *out |= (uint8_t)((p[256 + 64 * (g >> 2) + i] >> (2 * (g & 3)) & 3) << 4);
        }
}

/// A panel with a byte for each level, for many tokens: levels [k/4][16][4], scales and offsets [k/g][16] with g = 32,
/// or 16 for Q6_K.
typedef struct {
    uint8_t *q;
    float *d, *m;
} lm_wide_panel;

/// A wide panel in a thread's scratch memory (forage_lm_matmul_scratch).
LM_INLINE lm_wide_panel lm_wide_panel_in(uint8_t *scratch, int columns) {
    lm_wide_panel w = {scratch, (float *)(void *)(scratch + (size_t)columns * 16), NULL};
    w.m = w.d + (size_t)columns;
    return w;
}

/// The most tokens that pass over a panel as it is; for more it is widened first.
#define LM_FEW_TOKENS 8
/// How many bytes ahead of their use the levels of a panel are asked for: memory answers late, and where a page ends so
/// do the processor's own guesses.
#define LM_AHEAD 2048

/// Stores results [tokens][16] of `rows` rows from row r and of `tokens` tokens from token t, with the bias.
LM_INLINE void lm_store_block(const forage_lm_product *p, const float *block, int r, int rows, int t, int tokens) {
    for (int i = 0; i < tokens; i++)
        for (int j = 0; j < rows; j++)
            p->out[(ptrdiff_t)(t + i) * p->out_stride + r + j] = block[i * 16 + j] + (p->bias ? p->bias[r + j] : 0);
}

// The work of one range of rows of one product, which starts with a panel.
void lm_multiply_portable(const forage_lm_activations *a, const forage_lm_product *p, int first, int last);
#if defined(__x86_64__)
void lm_multiply_avx2(
    const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch);
void lm_quantize_activations_avx2(const forage_lm_activations *a, int first, int last);
void lm_multiply_avx512(
    const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch);
/// Whether the processor has AVX-512 (F, BW, VL, DQ) with VNNI. As lm_has_avx2.
int lm_has_avx512_vnni(void);
#elif defined(__aarch64__)
void lm_multiply_neon(
    const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch);
#endif
