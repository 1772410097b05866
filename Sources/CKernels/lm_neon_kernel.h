// SPDX-License-Identifier: Apache-2.0
// The arm64 products of quantised weights and 8-bit activations, included twice by lm_matmul_neon.c: with the 8-bit dot
// instruction and without. LM_NEON(name) names a function of the variant, LM_NEON_TARGET is its attribute, and
// LM_NEON_DOT(sum, w, x, lane) adds to each of four sums four products of w's bytes with the four bytes x[lane].
// Every level fits a signed byte. Decode and prefill add the blocks of a row in the same order with the same
// roundings, so that a token's result is the same bits in either.

#define NEON_INLINE static inline __attribute__((always_inline)) LM_NEON_TARGET

/// The 32 levels of a block.
NEON_INLINE void LM_NEON(levels)(int type, const uint8_t *row, int b, int8x16_t q[2]) {
    const uint8_t *p = lm_block(type, row, b);
    const uint8x16_t low4 = vdupq_n_u8(15);
    uint8x16_t first, second;
    switch (type) {
    case FORAGE_LM_Q4_0:
    case FORAGE_LM_Q4_1: {
        uint8x16_t x = vld1q_u8(p + (type == FORAGE_LM_Q4_0 ? 2 : 4));
        first = vandq_u8(x, low4);
        second = vshrq_n_u8(x, 4);
        break;
    }
    case FORAGE_LM_Q5_0:
    case FORAGE_LM_Q5_1: {
        static const uint8_t places[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
        p += type == FORAGE_LM_Q5_0 ? 2 : 4;
        uint8x16_t bit = vld1q_u8(places), x = vld1q_u8(p + 4), sixteen = vdupq_n_u8(16);
        uint8x16_t high0 = vcombine_u8(vdup_n_u8(p[0]), vdup_n_u8(p[1]));
        uint8x16_t high1 = vcombine_u8(vdup_n_u8(p[2]), vdup_n_u8(p[3]));
        first = vorrq_u8(vandq_u8(x, low4), vandq_u8(vtstq_u8(high0, bit), sixteen));
        second = vorrq_u8(vshrq_n_u8(x, 4), vandq_u8(vtstq_u8(high1, bit), sixteen));
        break;
    }
    case FORAGE_LM_Q8_0:
        first = vld1q_u8(p + 2);
        second = vld1q_u8(p + 18);
        break;
    case FORAGE_LM_Q4_K:
    case FORAGE_LM_Q5_K: {
        int j = b & 7;
        const uint8_t *at = p + (type == FORAGE_LM_Q4_K ? 16 : 48) + 32 * (j >> 1);
        int8x16_t down = vdupq_n_s8((int8_t)(-4 * (j & 1)));
        first = vandq_u8(vshlq_u8(vld1q_u8(at), down), low4);
        second = vandq_u8(vshlq_u8(vld1q_u8(at + 16), down), low4);
        if (type == FORAGE_LM_Q5_K) {
            int8x16_t by = vdupq_n_s8((int8_t)-j);
            uint8x16_t one = vdupq_n_u8(1);
            first = vorrq_u8(first, vshlq_n_u8(vandq_u8(vshlq_u8(vld1q_u8(p + 16), by), one), 4));
            second = vorrq_u8(second, vshlq_n_u8(vandq_u8(vshlq_u8(vld1q_u8(p + 32), by), one), 4));
        }
        break;
    }
    default: { // Q6_K
        int n = (b & 7) >> 2, j = b & 3;
        const uint8_t *at = p + 64 * n + 32 * (j & 1), *top = p + 128 + 32 * n;
        int8x16_t down = vdupq_n_s8((int8_t)(-4 * (j >> 1))), by = vdupq_n_s8((int8_t)(-2 * j));
        uint8x16_t three = vdupq_n_u8(3);
        first = vandq_u8(vshlq_u8(vld1q_u8(at), down), low4);
        second = vandq_u8(vshlq_u8(vld1q_u8(at + 16), down), low4);
        first = vorrq_u8(first, vshlq_n_u8(vandq_u8(vshlq_u8(vld1q_u8(top), by), three), 4));
        second = vorrq_u8(second, vshlq_n_u8(vandq_u8(vshlq_u8(vld1q_u8(top + 16), by), three), 4));
    }
    }
    q[0] = vreinterpretq_s8_u8(first);
    q[1] = vreinterpretq_s8_u8(second);
}

/// Sixteen levels by sixteen activations, added to four sums.
NEON_INLINE int32x4_t LM_NEON(dot)(int32x4_t sum, int8x16_t w, int8x16_t x) { return LM_NEON_DOT_ALL(sum, w, x); }

/// Four rows by one token.
NEON_INLINE float32x4_t LM_NEON(rows4)(
    int type, const uint8_t *row, size_t stride, int blocks, const forage_lm_activations *a) {
    float32x4_t total = vdupq_n_f32(0);
    const int8_t *x = a->q;
    const int32x4_t zero = vdupq_n_s32(0);
    for (int b = 0; b < blocks; b++, x += 32) {
        int8x16_t x0 = vld1q_s8(x), x1 = vld1q_s8(x + 16);
        int32x4_t first[4], second[4];
        float d[2][4], m[2][4];
        for (int r = 0; r < 4; r++) {
            int8x16_t q[2];
            float pair_d[2], pair_m[2];
            LM_NEON(levels)(type, row + (size_t)r * stride, b, q);
            first[r] = LM_NEON(dot)(zero, q[0], x0);
            if (type == FORAGE_LM_Q6_K) second[r] = LM_NEON(dot)(zero, q[1], x1);
            else first[r] = LM_NEON(dot)(first[r], q[1], x1);
            lm_block_scales(type, row + (size_t)r * stride, b, pair_d, pair_m);
            for (int half = 0; half < 2; half++) {
                d[half][r] = pair_d[half];
                m[half][r] = pair_m[half];
            }
        }
        int32x4_t sums = vpaddq_s32(vpaddq_s32(first[0], first[1]), vpaddq_s32(first[2], first[3]));
        total = vfmaq_f32(total, vmulq_n_f32(vld1q_f32(d[0]), a->d[b]), vcvtq_f32_s32(sums));
        if (type == FORAGE_LM_Q6_K) {
            total = vfmaq_n_f32(total, vld1q_f32(m[0]), a->half_sum[2 * b]);
            sums = vpaddq_s32(vpaddq_s32(second[0], second[1]), vpaddq_s32(second[2], second[3]));
            total = vfmaq_f32(total, vmulq_n_f32(vld1q_f32(d[1]), a->d[b]), vcvtq_f32_s32(sums));
            total = vfmaq_n_f32(total, vld1q_f32(m[1]), a->half_sum[2 * b + 1]);
        } else if (type != FORAGE_LM_Q8_0) {
            total = vfmaq_n_f32(total, vld1q_f32(m[0]), lm_block_sum(type, a, b));
        }
    }
    return total;
}

NEON_INLINE void LM_NEON(unpack_panel)(
    int type, const uint8_t *row, size_t stride, int rows, int blocks, lm_panel out) {
    int groups = type == FORAGE_LM_Q6_K ? 2 : 1;
    for (int r = 0; r < 16; r++) {
        // Rows past the end repeat the last one; their results are not stored.
        const uint8_t *base = row + (size_t)(r < rows ? r : rows - 1) * stride;
        for (int b = 0; b < blocks; b++) {
            int8x16_t q[2];
            float d[2], m[2];
            LM_NEON(levels)(type, base, b, q);
            uint32_t fours[8];
            vst1q_u32(fours, vreinterpretq_u32_s8(q[0]));
            vst1q_u32(fours + 4, vreinterpretq_u32_s8(q[1]));
            for (int g = 0; g < 8; g++) memcpy(out.q + ((size_t)(b * 8 + g) * 16 + (size_t)r) * 4, fours + g, 4);
            lm_block_scales(type, base, b, d, m);
            for (int half = 0; half < groups; half++) {
                out.d[(size_t)(b * groups + half) * 16 + (size_t)r] = d[half];
                out.m[(size_t)(b * groups + half) * 16 + (size_t)r] = m[half];
            }
        }
    }
}

#define NEON_GROUP(lane) \
    for (int i = 0; i < 4; i++) { \
        int8x16_t row = vld1q_s8((const int8_t *)levels + ((lane) * 4 + i) * 16); \
        for (int t = 0; t < tokens; t++) wide[t][i] = LM_NEON_DOT(wide[t][i], row, x16[t], lane); \
    }

/// A panel by `tokens` tokens (1 to 4, a constant).
NEON_INLINE void LM_NEON(panel_tokens)(
    int type, int tokens, lm_panel w, int blocks, const forage_lm_activations *a, int token, float *out,
    ptrdiff_t out_stride) {
    int groups = type == FORAGE_LM_Q6_K ? 2 : 1;
    float32x4_t total[4][4];
    const int8_t *x[4];
    const float *scale[4], *sum[4];
    for (int t = 0; t < tokens; t++) {
        for (int i = 0; i < 4; i++) total[t][i] = vdupq_n_f32(0);
        size_t at = (size_t)(token + t);
        x[t] = a->q + at * (size_t)a->columns;
        scale[t] = a->d + at * (size_t)blocks;
        sum[t] = lm_has_minimum(type) ? a->sum + at * (size_t)blocks : a->half_sum + at * (size_t)blocks * 2;
    }
    for (int b = 0; b < blocks; b++)
        for (int part = 0; part < groups; part++) {
            int32x4_t wide[4][4];
            for (int t = 0; t < tokens; t++)
                for (int i = 0; i < 4; i++) wide[t][i] = vdupq_n_s32(0);
            for (int half = part; half < (groups == 2 ? part + 1 : 2); half++) {
                const uint8_t *levels = w.q + (size_t)(b * 2 + half) * 256;
                int8x16_t x16[4];
                for (int t = 0; t < tokens; t++) x16[t] = vld1q_s8(x[t] + b * 32 + half * 16);
                NEON_GROUP(0)
                NEON_GROUP(1)
                NEON_GROUP(2)
                NEON_GROUP(3)
            }
            size_t at = (size_t)(b * groups + part) * 16;
            for (int t = 0; t < tokens; t++) {
                float offset = lm_has_minimum(type) ? sum[t][b]
                    : groups == 2                   ? sum[t][2 * b + part]
                                                    : sum[t][2 * b] + sum[t][2 * b + 1];
                for (int i = 0; i < 4; i++) {
                    float32x4_t d = vmulq_n_f32(vld1q_f32(w.d + at + 4 * i), scale[t][b]);
                    total[t][i] = vfmaq_f32(total[t][i], d, vcvtq_f32_s32(wide[t][i]));
                    if (type != FORAGE_LM_Q8_0)
                        total[t][i] = vfmaq_n_f32(total[t][i], vld1q_f32(w.m + at + 4 * i), offset);
                }
            }
        }
    for (int t = 0; t < tokens; t++)
        for (int i = 0; i < 4; i++) vst1q_f32(out + t * out_stride + 4 * i, total[t][i]);
}

NEON_INLINE void LM_NEON(multiply)(
    int type, const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) {
    int blocks = a->columns / 32, r = first;
    size_t stride = (size_t)a->columns / (size_t)lm_block_weights(type) * (size_t)lm_block_bytes(type);
    const uint8_t *weights = p->weights;
    if (a->rows == 1)
        for (; r + 4 <= last; r += 4) {
            float32x4_t total = LM_NEON(rows4)(type, weights + (size_t)r * stride, stride, blocks, a);
            if (p->bias) total = vaddq_f32(total, vld1q_f32(p->bias + r));
            vst1q_f32(p->out + r, total);
        }
    for (; r < last; r += 16) {
        int rows = last - r < 16 ? last - r : 16;
        lm_panel w = lm_panel_in(scratch, a->columns);
        LM_NEON(unpack_panel)(type, weights + (size_t)r * stride, stride, rows, blocks, w);
        for (int t = 0; t < a->rows;) {
            float block[4 * 16], *out = block;
            ptrdiff_t out_stride = 16;
            int tokens = a->rows - t >= 4 ? 4 : a->rows - t >= 2 ? 2 : 1;
            int direct = rows == 16 && !p->bias;
            if (direct) {
                out = p->out + (ptrdiff_t)t * p->out_stride + r;
                out_stride = p->out_stride;
            }
            if (tokens == 4) LM_NEON(panel_tokens)(type, 4, w, blocks, a, t, out, out_stride);
            else if (tokens == 2) LM_NEON(panel_tokens)(type, 2, w, blocks, a, t, out, out_stride);
            else LM_NEON(panel_tokens)(type, 1, w, blocks, a, t, out, out_stride);
            if (!direct) lm_store_block(p, block, r, rows, t, tokens);
            t += tokens;
        }
    }
}

/// One function for each type, so that the compiler sees the type as a constant.
#define NEON_TYPE(name, type) \
    LM_NEON_TARGET static void LM_NEON(name)( \
        const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) { \
        LM_NEON(multiply)(type, a, p, first, last, scratch); \
    }
NEON_TYPE(q4_0, FORAGE_LM_Q4_0)
NEON_TYPE(q4_1, FORAGE_LM_Q4_1)
NEON_TYPE(q5_0, FORAGE_LM_Q5_0)
NEON_TYPE(q5_1, FORAGE_LM_Q5_1)
NEON_TYPE(q8_0, FORAGE_LM_Q8_0)
NEON_TYPE(q4_k, FORAGE_LM_Q4_K)
NEON_TYPE(q5_k, FORAGE_LM_Q5_K)
NEON_TYPE(q6_k, FORAGE_LM_Q6_K)

static void LM_NEON(quantised)(
    const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) {
    switch (p->type) {
    case FORAGE_LM_Q4_0: LM_NEON(q4_0)(a, p, first, last, scratch); break;
    case FORAGE_LM_Q4_1: LM_NEON(q4_1)(a, p, first, last, scratch); break;
    case FORAGE_LM_Q5_0: LM_NEON(q5_0)(a, p, first, last, scratch); break;
    case FORAGE_LM_Q5_1: LM_NEON(q5_1)(a, p, first, last, scratch); break;
    case FORAGE_LM_Q8_0: LM_NEON(q8_0)(a, p, first, last, scratch); break;
    case FORAGE_LM_Q4_K: LM_NEON(q4_k)(a, p, first, last, scratch); break;
    case FORAGE_LM_Q5_K: LM_NEON(q5_k)(a, p, first, last, scratch); break;
    case FORAGE_LM_Q6_K: LM_NEON(q6_k)(a, p, first, last, scratch); break;
    default: break;
    }
}

#undef NEON_INLINE
#undef NEON_GROUP
#undef NEON_TYPE
