// SPDX-License-Identifier: Apache-2.0
// The arm64 products of quantised weights and 8-bit activations, included twice by lm_matmul_neon.c: with the 8-bit dot
// instruction and without. LM_NEON(name) names a function of the variant, LM_NEON_TARGET is its attribute, and
// LM_NEON_DOT(sum, w, x, lane) adds to each of four sums four products of w's bytes with the four bytes x[lane].
// Every level fits a signed byte. The blocks of a row are added in the same order with the same roundings whatever the
// number of tokens, so that a token's result is the same bits beside any others.

#define NEON_INLINE static inline __attribute__((always_inline)) LM_NEON_TARGET

/// The levels of rows 4i to 4i + 3 of group `g` (0 to 7, a constant) of a block.
NEON_INLINE int8x16_t LM_NEON(levels)(int type, const uint8_t *block, int g, int i) {
    const int bits = lm_level_bits(type);
    block += 16 * i;
    if (bits == 8) return vreinterpretq_s8_u8(vld1q_u8(block + 64 * g));
    uint8x16_t x = vld1q_u8(block + 64 * (g & 3));
    x = g < 4 ? vandq_u8(x, vdupq_n_u8(15)) : vshrq_n_u8(x, 4);
    if (bits == 5) {
        uint8x16_t top = vshlq_u8(vld1q_u8(block + 256), vdupq_n_s8((int8_t)(4 - g)));
        x = vorrq_u8(x, vandq_u8(top, vdupq_n_u8(16)));
    } else if (bits == 6) {
        const int j = g & 3;
        uint8x16_t top = vshlq_u8(vld1q_u8(block + 256 + 64 * (g >> 2)), vdupq_n_s8((int8_t)(4 - 2 * j)));
        x = vorrq_u8(x, vandq_u8(top, vdupq_n_u8(0x30)));
    }
    return vreinterpretq_s8_u8(x);
}

NEON_INLINE float32x4_t LM_NEON(halves)(const uint8_t *p) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }

/// The 6-bit scales and minima of four rows of a super-block: bytes [4 rows][4 blocks], scales of blocks 0 to 3 and 4 to
/// 7, then the minima.
NEON_INLINE void LM_NEON(super_scales)(const uint8_t *p, uint8x16_t out[4]) {
    const uint8x16_t low6 = vdupq_n_u8(63), low4 = vdupq_n_u8(15), top2 = vdupq_n_u8(0x30);
    uint8x16_t s = vld1q_u8(p), m = vld1q_u8(p + 64), both = vld1q_u8(p + 128);
    out[0] = vandq_u8(s, low6);
    out[1] = vorrq_u8(vandq_u8(both, low4), vandq_u8(vshrq_n_u8(s, 2), top2));
    out[2] = vandq_u8(m, low6);
    out[3] = vorrq_u8(vshrq_n_u8(both, 4), vandq_u8(vshrq_n_u8(m, 2), top2));
}

NEON_INLINE float32x4_t LM_NEON(byte_of)(uint8x16_t fours, int j) {
    uint32x4_t x = vshlq_u32(vreinterpretq_u32_u8(fours), vdupq_n_s32(-8 * j));
    return vcvtq_f32_u32(vandq_u32(x, vdupq_n_u32(255)));
}

/// Scales and offsets of rows 4i to 4i + 3 of block `b`, or of one half of it.
NEON_INLINE void LM_NEON(scales)(
    int type, const uint8_t *p, int b, int half, int i, const uint8x16_t super[4], float32x4_t *d, float32x4_t *m) {
    *d = LM_NEON(halves)(p + 8 * i);
    switch (lm_scales(type)) {
    case LM_SCALES_ONE:
        *m = lm_zero(type) ? vmulq_n_f32(*d, (float)-lm_zero(type)) : vdupq_n_f32(0);
        break;
    case LM_SCALES_MINIMUM: *m = LM_NEON(halves)(p + 32 + 8 * i); break;
    case LM_SCALES_HALVES: {
        const int8_t *s = (const int8_t *)p + 32 + 16 * (2 * (b & 7) + half) + 4 * i;
        const int32_t four[4] = {s[0], s[1], s[2], s[3]};
        *d = vmulq_f32(*d, vcvtq_f32_s32(vld1q_s32(four)));
        *m = vmulq_n_f32(*d, -32);
        break;
    }
    case LM_SCALES_SIX_BITS: {
        const int j = b & 3, second = b >> 2 & 1;
        *d = vmulq_f32(*d, LM_NEON(byte_of)(super[second], j));
        *m = vnegq_f32(vmulq_f32(LM_NEON(halves)(p + 32 + 8 * i), LM_NEON(byte_of)(super[2 + second], j)));
    }
    }
}

#define NEON_GROUP(lane) \
    for (int i = 0; i < 4; i++) { \
        int8x16_t row = LM_NEON(levels)(stored, block, half * 4 + (lane), i); \
        for (int t = 0; t < tokens; t++) dots[t][i] = LM_NEON_DOT(dots[t][i], row, x16[t], lane); \
    }

/// A panel by `tokens` tokens (1 to 4, a constant). `wide`: of a panel that was widened; NULL: as it is.
NEON_INLINE void LM_NEON(panel_tokens)(
    int type, int tokens, const uint8_t *panel, const lm_wide_panel *wide, int blocks, const forage_lm_activations *a,
    int token, float *out, ptrdiff_t out_stride) {
    const int groups = lm_groups(type), stored = wide ? FORAGE_LM_Q8_0 : type;
    const int is_six = lm_is_six(type);
    float32x4_t total[4][4];
    uint8x16_t super[4][4];
    const int8_t *x[4];
    const float *scale[4], *sum[4];
    for (int t = 0; t < tokens; t++) {
        for (int i = 0; i < 4; i++) total[t][i] = vdupq_n_f32(0);
        size_t at = (size_t)(token + t);
        x[t] = a->q + at * (size_t)a->columns;
        scale[t] = a->d + at * (size_t)blocks;
        sum[t] = lm_has_minimum(type) ? a->sum + at * (size_t)blocks : a->half_sum + at * (size_t)blocks * 2;
    }
    for (int b = 0; b < blocks; b++) {
        const uint8_t *block = (wide ? wide->q : panel) + (size_t)b * lm_panel_level_bytes(stored);
        const uint8_t *scales_at = wide ? NULL : lm_panel_scales(type, panel, blocks, b);
        if (!wide) {
            for (size_t i = 0; i < lm_panel_level_bytes(type); i += 64) __builtin_prefetch(block + LM_AHEAD + i);
            if (is_six && (b & 7) == 0)
                for (int i = 0; i < 4; i++) LM_NEON(super_scales)(scales_at + 64 + 16 * i, super[i]);
        }
        for (int part = 0; part < groups; part++) {
            int32x4_t dots[4][4];
            for (int t = 0; t < tokens; t++)
                for (int i = 0; i < 4; i++) dots[t][i] = vdupq_n_s32(0);
            for (int half = part; half < (groups == 2 ? part + 1 : 2); half++) {
                int8x16_t x16[4];
                for (int t = 0; t < tokens; t++) x16[t] = vld1q_s8(x[t] + b * 32 + half * 16);
                NEON_GROUP(0)
                NEON_GROUP(1)
                NEON_GROUP(2)
                NEON_GROUP(3)
            }
            float32x4_t d[4], m[4];
            for (int i = 0; i < 4; i++) {
                if (wide) {
                    size_t at = (size_t)(b * groups + part) * 16 + 4 * (size_t)i;
                    d[i] = vld1q_f32(wide->d + at);
                    m[i] = vld1q_f32(wide->m + at);
                } else {
                    LM_NEON(scales)(type, scales_at, b, part, i, super[i], d + i, m + i);
                }
            }
            for (int t = 0; t < tokens; t++) {
                float offset = lm_has_minimum(type) ? sum[t][b]
                    : groups == 2                   ? sum[t][2 * b + part]
                                                    : sum[t][2 * b] + sum[t][2 * b + 1];
                for (int i = 0; i < 4; i++) {
                    total[t][i] =
                        vfmaq_f32(total[t][i], vmulq_n_f32(d[i], scale[t][b]), vcvtq_f32_s32(dots[t][i]));
                    if (!lm_is_signed(type)) total[t][i] = vfmaq_n_f32(total[t][i], m[i], offset);
                }
            }
        }
    }
    for (int t = 0; t < tokens; t++)
        for (int i = 0; i < 4; i++) vst1q_f32(out + t * out_stride + 4 * i, total[t][i]);
}

NEON_INLINE void LM_NEON(widen)(int type, const uint8_t *panel, int blocks, lm_wide_panel out) {
    const int groups = lm_groups(type);
    const int is_six = lm_is_six(type);
    for (int i = 0; i < 4; i++) {
        uint8x16_t super[4];
        for (int b = 0; b < blocks; b++) {
            const uint8_t *block = panel + (size_t)b * lm_panel_level_bytes(type);
            const uint8_t *scales_at = lm_panel_scales(type, panel, blocks, b);
            if (is_six && (b & 7) == 0) LM_NEON(super_scales)(scales_at + 64 + 16 * i, super);
            for (int g = 0; g < 8; g++)
                vst1q_s8(
                    (int8_t *)out.q + (size_t)(b * 8 + g) * 64 + 16 * i, LM_NEON(levels)(type, block, g, i));
            for (int part = 0; part < groups; part++) {
                float32x4_t d, m;
                LM_NEON(scales)(type, scales_at, b, part, i, super, &d, &m);
                size_t at = (size_t)(b * groups + part) * 16 + 4 * (size_t)i;
                vst1q_f32(out.d + at, d);
                vst1q_f32(out.m + at, m);
            }
        }
    }
}

NEON_INLINE void LM_NEON(multiply)(
    int type, const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) {
    int blocks = a->columns / 32;
    const uint8_t *panel = (const uint8_t *)p->weights + (size_t)(first / 16) * lm_panel_bytes(type, a->columns);
    for (int r = first; r < last; r += 16, panel += lm_panel_bytes(type, a->columns)) {
        int rows = last - r < 16 ? last - r : 16;
        lm_wide_panel w = lm_wide_panel_in(scratch, a->columns);
        int is_wide = a->rows > LM_FEW_TOKENS;
        if (is_wide) LM_NEON(widen)(type, panel, blocks, w);
        for (int t = 0; t < a->rows;) {
            float block[4 * 16], *out = block;
            ptrdiff_t out_stride = 16;
            int tokens = a->rows - t >= 4 ? 4 : a->rows - t >= 2 ? 2 : 1;
            int direct = rows == 16 && !p->bias;
            if (direct) {
                out = p->out + (ptrdiff_t)t * p->out_stride + r;
                out_stride = p->out_stride;
            }
            switch (is_wide ? -tokens : tokens) {
            case -4: LM_NEON(panel_tokens)(type, 4, panel, &w, blocks, a, t, out, out_stride); break;
            case -2: LM_NEON(panel_tokens)(type, 2, panel, &w, blocks, a, t, out, out_stride); break;
            case -1: LM_NEON(panel_tokens)(type, 1, panel, &w, blocks, a, t, out, out_stride); break;
            case 1: LM_NEON(panel_tokens)(type, 1, panel, NULL, blocks, a, t, out, out_stride); break;
            case 2: LM_NEON(panel_tokens)(type, 2, panel, NULL, blocks, a, t, out, out_stride); break;
            default: LM_NEON(panel_tokens)(type, 4, panel, NULL, blocks, a, t, out, out_stride);
            }
            if (!direct) lm_store_block(p, block, r, rows, t, tokens);
            t += tokens;
        }
    }
}

/// One function for each type, so that the compiler sees the type as a constant.
#define NEON_TYPE(name, number, ...) \
    LM_NEON_TARGET static void LM_NEON(name)( \
        const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) { \
        LM_NEON(multiply)(number, a, p, first, last, scratch); \
    }
FORAGE_LM_QUANTISED_TYPES(NEON_TYPE)
#define NEON_MULTIPLY(name, number, ...) \
    case number: LM_NEON(name)(a, p, first, last, scratch); break;

static void LM_NEON(quantised)(
    const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) {
    switch (p->type) {
        FORAGE_LM_QUANTISED_TYPES(NEON_MULTIPLY)
    default: break;
    }
}

#undef NEON_INLINE
#undef NEON_GROUP
#undef NEON_TYPE
#undef NEON_MULTIPLY
