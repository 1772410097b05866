// SPDX-License-Identifier: Apache-2.0
// AVX2 products of quantised weights and 8-bit activations: panels of sixteen rows (lm_blocks.h), as they are for a few
// tokens; for many a panel is widened once to a byte a level and stays in the cache while all tokens pass over it.
// 16-bit sums are widened only where they could overflow. The blocks of a row are added in the same order with the same
// roundings whatever the number of tokens, so a token's result is the same bits beside any others.
#include "lm_blocks.h"
#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2,fma,f16c")))

AVX2 void lm_quantize_activations_avx2(const forage_lm_activations *a, int first, int last) {
    size_t columns = (size_t)a->columns, blocks = columns / 32;
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF));
    const __m256i ones8 = _mm256_set1_epi8(1), ones16 = _mm256_set1_epi16(1);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (size_t r = (size_t)first; r < (size_t)last; r++)
        for (size_t b = 0; b < blocks; b++) {
            const float *x = a->x + r * columns + b * 32;
            __m256 v0 = _mm256_loadu_ps(x), v1 = _mm256_loadu_ps(x + 8);
            __m256 v2 = _mm256_loadu_ps(x + 16), v3 = _mm256_loadu_ps(x + 24);
            __m256 most8 = _mm256_max_ps(
                _mm256_max_ps(_mm256_and_ps(v0, magnitude), _mm256_and_ps(v1, magnitude)),
                _mm256_max_ps(_mm256_and_ps(v2, magnitude), _mm256_and_ps(v3, magnitude)));
            __m128 most4 = _mm_max_ps(_mm256_castps256_ps128(most8), _mm256_extractf128_ps(most8, 1));
            most4 = _mm_max_ps(most4, _mm_movehl_ps(most4, most4));
            float most = _mm_cvtss_f32(_mm_max_ss(most4, _mm_movehdup_ps(most4)));
            float d = most / 127, inverse = most > 0 ? 127 / most : 0;
            __m256 factor = _mm256_set1_ps(inverse);
            __m256i i0 = _mm256_cvtps_epi32(_mm256_mul_ps(v0, factor));
            __m256i i1 = _mm256_cvtps_epi32(_mm256_mul_ps(v1, factor));
            __m256i i2 = _mm256_cvtps_epi32(_mm256_mul_ps(v2, factor));
            __m256i i3 = _mm256_cvtps_epi32(_mm256_mul_ps(v3, factor));
            __m256i q = _mm256_packs_epi16(_mm256_packs_epi32(i0, i1), _mm256_packs_epi32(i2, i3));
            q = _mm256_permutevar8x32_epi32(q, order);
            _mm256_storeu_si256((__m256i *)(a->q + r * columns + b * 32), q);
            __m256i sums = _mm256_madd_epi16(_mm256_maddubs_epi16(ones8, q), ones16);
            __m128i low = _mm256_castsi256_si128(sums), high = _mm256_extracti128_si256(sums, 1);
            __m128i both = _mm_hadd_epi32(low, high);
            both = _mm_hadd_epi32(both, both);
            int s0 = _mm_cvtsi128_si32(both), s1 = _mm_extract_epi32(both, 1);
            a->sum[r * blocks + b] = _cvtsh_ss(_cvtss_sh(d * (float)(s0 + s1), _MM_FROUND_TO_NEAREST_INT));
            d = _cvtsh_ss(_cvtss_sh(d, _MM_FROUND_TO_NEAREST_INT));
            a->d[r * blocks + b] = d;
            a->half_sum[(r * blocks + b) * 2] = d * (float)s0;
            a->half_sum[(r * blocks + b) * 2 + 1] = d * (float)s1;
        }
}

/// The levels of eight rows of group `g` (0 to 7, a constant) of a block.
AVX2_INLINE __m256i levels(int type, const uint8_t *block, int g, int side) {
    const int bits = lm_level_bits(type);
    block += 32 * side;
    if (bits == 8) return _mm256_loadu_si256((const __m256i *)(const void *)(block + 64 * g));
    __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(block + 64 * (g & 3)));
    x = _mm256_and_si256(g < 4 ? x : _mm256_srli_epi16(x, 4), _mm256_set1_epi8(15));
    if (bits == 5) {
        __m256i top = _mm256_loadu_si256((const __m256i *)(const void *)(block + 256));
        top = g < 4 ? _mm256_slli_epi16(top, 4 - (g & 3)) : _mm256_srli_epi16(top, g & 3);
        x = _mm256_or_si256(x, _mm256_and_si256(top, _mm256_set1_epi8(16)));
    } else if (bits == 6) {
        const int j = g & 3;
        __m256i top = _mm256_loadu_si256((const __m256i *)(const void *)(block + 256 + 64 * (g >> 2)));
        top = j < 2 ? _mm256_slli_epi16(top, 4 - 2 * j) : _mm256_srli_epi16(top, 2 * j - 4);
        x = _mm256_or_si256(x, _mm256_and_si256(top, _mm256_set1_epi8(0x30)));
    }
    return x;
}

/// The largest level, which says how many 16-bit products of it with 127 may be added.
LM_INLINE int most_level(int type) {
    const int bits = lm_level_bits(type);
    return bits == 8 ? 128 : (1 << bits) - 1;
}

AVX2_INLINE __m256 halves(const uint8_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/// The 6-bit scales and minima of eight rows of a super-block: bytes [8 rows][4 blocks], scales of blocks 0 to 3 and 4
/// to 7, then the minima.
AVX2_INLINE void super_scales(const uint8_t *p, __m256i out[4]) {
    const __m256i low6 = _mm256_set1_epi8(63), low4 = _mm256_set1_epi8(15), top2 = _mm256_set1_epi8(0x30);
    __m256i s = _mm256_loadu_si256((const __m256i *)(const void *)p);
    __m256i m = _mm256_loadu_si256((const __m256i *)(const void *)(p + 64));
    __m256i both = _mm256_loadu_si256((const __m256i *)(const void *)(p + 128));
    out[0] = _mm256_and_si256(s, low6);
    out[1] = _mm256_or_si256(_mm256_and_si256(both, low4), _mm256_and_si256(_mm256_srli_epi16(s, 2), top2));
    out[2] = _mm256_and_si256(m, low6);
    out[3] = _mm256_or_si256(
        _mm256_and_si256(_mm256_srli_epi16(both, 4), low4), _mm256_and_si256(_mm256_srli_epi16(m, 2), top2));
}

AVX2_INLINE __m256 byte_of(__m256i fours, int j) {
    __m256i x = _mm256_srl_epi32(fours, _mm_cvtsi32_si128(8 * j));
    return _mm256_cvtepi32_ps(_mm256_and_si256(x, _mm256_set1_epi32(255)));
}

/// Scales and offsets of eight rows of block `b`, or of one half of it.
AVX2_INLINE void scales(
    int type, const uint8_t *p, int b, int half, int side, const __m256i super[4], __m256 *d, __m256 *m) {
    *d = halves(p + 16 * side);
    switch (lm_scales(type)) {
    case LM_SCALES_ONE:
        *m = lm_zero(type) ? _mm256_mul_ps(*d, _mm256_set1_ps((float)-lm_zero(type))) : _mm256_setzero_ps();
        break;
    case LM_SCALES_MINIMUM: *m = halves(p + 32 + 16 * side); break;
    case LM_SCALES_HALVES: {
        const uint8_t *at = p + 32 + 16 * (2 * (b & 7) + half) + 8 * side;
        __m128i s = _mm_loadl_epi64((const __m128i *)(const void *)at);
        *d = _mm256_mul_ps(*d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(s)));
        *m = _mm256_mul_ps(*d, _mm256_set1_ps(-32));
        break;
    }
    case LM_SCALES_SIX_BITS: {
        const int j = b & 3, second = b >> 2 & 1;
        *d = _mm256_mul_ps(*d, byte_of(super[second], j));
        *m = _mm256_mul_ps(halves(p + 32 + 16 * side), byte_of(super[2 + second], j));
        *m = _mm256_xor_ps(*m, _mm256_set1_ps(-0.0f));
    }
    }
}

AVX2_INLINE __m256i product(int type, __m256i q, __m256i x) {
    if (lm_is_signed(type)) return _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(x, q));
    return _mm256_maddubs_epi16(q, x);
}

/// A panel by `tokens` tokens (1 to 4, a constant). `wide`: of a panel that was widened; NULL: as it is.
AVX2_INLINE void panel_tokens(
    int type, int tokens, const uint8_t *panel, const lm_wide_panel *wide, int blocks, const forage_lm_activations *a,
    int token, float *out, ptrdiff_t out_stride) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256 total[4][2];
    __m256i super[2][4];
    const int8_t *x[4];
    const float *scale[4], *sum[4];
    for (int t = 0; t < tokens; t++) {
        total[t][0] = total[t][1] = _mm256_setzero_ps();
        size_t at = (size_t)(token + t);
        x[t] = a->q + at * (size_t)a->columns;
        scale[t] = a->d + at * (size_t)blocks;
        sum[t] = lm_has_minimum(type) ? a->sum + at * (size_t)blocks : a->half_sum + at * (size_t)blocks * 2;
    }
    const int groups = lm_groups(type), count = 8 / groups;
    const int is_six = lm_is_six(type), stored = wide ? FORAGE_LM_Q8_0 : type;
    const size_t level_bytes = lm_panel_level_bytes(stored);
    // Steps of four k whose 16-bit sums cannot overflow: 2 * level * 127 * steps < 32768.
    const int most = most_level(type), steps = most == 15 ? 8 : most == 31 ? 4 : most == 63 ? 2 : 1;
    for (int b = 0; b < blocks; b++) {
        const uint8_t *block = (wide ? wide->q : panel) + (size_t)b * level_bytes;
        const uint8_t *scales_at = wide ? NULL : lm_panel_scales(type, panel, blocks, b);
        if (!wide) {
#pragma clang loop unroll(full)
            for (size_t i = 0; i < level_bytes; i += 64) _mm_prefetch((const char *)block + LM_AHEAD + i, _MM_HINT_T0);
            if (is_six && (b & 7) == 0)
                for (int side = 0; side < 2; side++) super_scales(scales_at + 64 + 32 * side, super[side]);
        }
#pragma clang loop unroll(full)
        for (int part = 0; part < groups; part++) {
            __m256i dots[4][2];
#pragma clang loop unroll(full)
            for (int from = 0; from < count; from += steps) {
                __m256i narrow[4][2];
#pragma clang loop unroll(full)
                for (int s = 0; s < steps; s++) {
                    const int g = part * 4 + from + s;
                    __m256i w0 = levels(stored, block, g, 0), w1 = levels(stored, block, g, 1);
#pragma clang loop unroll(full)
                    for (int t = 0; t < tokens; t++) {
                        int four;
                        memcpy(&four, x[t] + b * 32 + g * 4, 4);
                        __m256i v = _mm256_set1_epi32(four);
                        __m256i p0 = product(type, w0, v), p1 = product(type, w1, v);
                        narrow[t][0] = s ? _mm256_add_epi16(narrow[t][0], p0) : p0;
                        narrow[t][1] = s ? _mm256_add_epi16(narrow[t][1], p1) : p1;
                    }
                }
#pragma clang loop unroll(full)
                for (int t = 0; t < tokens; t++)
                    for (int side = 0; side < 2; side++) {
                        __m256i widened = _mm256_madd_epi16(narrow[t][side], ones);
                        dots[t][side] = from ? _mm256_add_epi32(dots[t][side], widened) : widened;
                    }
            }
            __m256 d[2], m[2];
            for (int side = 0; side < 2; side++) {
                if (wide) {
                    size_t at = (size_t)(b * groups + part) * 16 + 8 * (size_t)side;
                    d[side] = _mm256_load_ps(wide->d + at);
                    m[side] = _mm256_load_ps(wide->m + at);
                } else {
                    scales(type, scales_at, b, part, side, super[side], d + side, m + side);
                }
            }
#pragma clang loop unroll(full)
            for (int t = 0; t < tokens; t++) {
                __m256 s = _mm256_set1_ps(scale[t][b]);
                for (int side = 0; side < 2; side++)
                    total[t][side] = _mm256_fmadd_ps(
                        _mm256_mul_ps(d[side], s), _mm256_cvtepi32_ps(dots[t][side]), total[t][side]);
                if (!lm_is_signed(type)) {
                    float s32 = lm_has_minimum(type) ? sum[t][b]
                        : groups == 2              ? sum[t][2 * b + part]
                                                   : sum[t][2 * b] + sum[t][2 * b + 1];
                    __m256 offset = _mm256_set1_ps(s32);
                    for (int side = 0; side < 2; side++) total[t][side] = _mm256_fmadd_ps(m[side], offset, total[t][side]);
                }
            }
        }
    }
    for (int t = 0; t < tokens; t++)
        for (int side = 0; side < 2; side++) _mm256_storeu_ps(out + t * out_stride + 8 * side, total[t][side]);
}

AVX2_INLINE void widen(int type, const uint8_t *panel, int blocks, lm_wide_panel out) {
    const int groups = lm_groups(type);
    const int is_six = lm_is_six(type);
    for (int side = 0; side < 2; side++) {
        __m256i super[4];
        for (int b = 0; b < blocks; b++) {
            const uint8_t *block = panel + (size_t)b * lm_panel_level_bytes(type);
            const uint8_t *scales_at = lm_panel_scales(type, panel, blocks, b);
            if (is_six && (b & 7) == 0) super_scales(scales_at + 64 + 32 * side, super);
#pragma clang loop unroll(full)
            for (int g = 0; g < 8; g++)
                _mm256_store_si256(
                    (__m256i *)(void *)(out.q + (size_t)(b * 8 + g) * 64 + 32 * side), levels(type, block, g, side));
            for (int part = 0; part < groups; part++) {
                __m256 d, m;
                scales(type, scales_at, b, part, side, super, &d, &m);
                size_t at = (size_t)(b * groups + part) * 16 + 8 * (size_t)side;
                _mm256_store_ps(out.d + at, d);
                _mm256_store_ps(out.m + at, m);
            }
        }
    }
}

AVX2_INLINE void multiply_quantised(
    int type, const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) {
    int blocks = a->columns / 32;
    const uint8_t *panel = (const uint8_t *)p->weights + (size_t)(first / 16) * lm_panel_bytes(type, a->columns);
    for (int r = first; r < last; r += 16, panel += lm_panel_bytes(type, a->columns)) {
        int rows = last - r < 16 ? last - r : 16;
        lm_wide_panel w = lm_wide_panel_in(scratch, a->columns);
        int is_wide = a->rows > LM_FEW_TOKENS;
        if (is_wide) widen(type, panel, blocks, w);
        for (int t = 0; t < a->rows; t += 4) {
            float block[4 * 16], *out = block;
            ptrdiff_t out_stride = 16;
            int tokens = a->rows - t < 4 ? a->rows - t : 4;
            int direct = rows == 16 && !p->bias;
            if (direct) {
                out = p->out + (ptrdiff_t)t * p->out_stride + r;
                out_stride = p->out_stride;
            }
            switch (is_wide ? -tokens : tokens) {
            case -4: panel_tokens(type, 4, panel, &w, blocks, a, t, out, out_stride); break;
            case -3: panel_tokens(type, 3, panel, &w, blocks, a, t, out, out_stride); break;
            case -2: panel_tokens(type, 2, panel, &w, blocks, a, t, out, out_stride); break;
            case -1: panel_tokens(type, 1, panel, &w, blocks, a, t, out, out_stride); break;
            case 1: panel_tokens(type, 1, panel, NULL, blocks, a, t, out, out_stride); break;
            case 2: panel_tokens(type, 2, panel, NULL, blocks, a, t, out, out_stride); break;
            case 3: panel_tokens(type, 3, panel, NULL, blocks, a, t, out, out_stride); break;
            default: panel_tokens(type, 4, panel, NULL, blocks, a, t, out, out_stride);
            }
            if (!direct) lm_store_block(p, block, r, rows, t, tokens);
        }
    }
}

/// Eight float weights from column k.
AVX2_INLINE __m256 floats8(int type, const uint8_t *row, size_t k) {
    if (type == FORAGE_LM_F16) return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(row + 2 * k)));
    if (type == FORAGE_LM_BF16) {
        __m256i v = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(row + 2 * k)));
        return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
    }
    return _mm256_loadu_ps((const float *)(const void *)(row + 4 * k));
}

AVX2_INLINE float sum8(__m256 v) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

/// `rows` rows (1 or 4) of floats by `tokens` tokens (1 or 2): eight lanes over k for each result.
AVX2_INLINE void float_tile(
    int type, int rows, int tokens, const uint8_t *w, size_t stride, const forage_lm_activations *a, int token,
    const forage_lm_product *p, int row) {
    size_t columns = (size_t)a->columns, whole = columns / 8 * 8;
    __m256 total[4][2];
    for (int r = 0; r < rows; r++)
        for (int t = 0; t < tokens; t++) total[r][t] = _mm256_setzero_ps();
    const float *x[2];
    for (int t = 0; t < tokens; t++) x[t] = a->x + (size_t)(token + t) * columns;
    for (size_t k = 0; k < whole; k += 8) {
        __m256 v[2];
        for (int t = 0; t < tokens; t++) v[t] = _mm256_loadu_ps(x[t] + k);
        for (int r = 0; r < rows; r++) {
            __m256 weight = floats8(type, w + (size_t)r * stride, k);
            for (int t = 0; t < tokens; t++) total[r][t] = _mm256_fmadd_ps(weight, v[t], total[r][t]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int t = 0; t < tokens; t++) {
            __m256 all = total[r][t];
            if (whole < columns) {
                float weight[8] = {0}, v[8] = {0};
                for (size_t k = whole; k < columns; k++) {
                    weight[k - whole] = lm_float_weight(type, w + (size_t)r * stride, k);
                    v[k - whole] = x[t][k];
                }
                all = _mm256_fmadd_ps(_mm256_loadu_ps(weight), _mm256_loadu_ps(v), all);
            }
            float bias = p->bias ? p->bias[row + r] : 0;
            p->out[(ptrdiff_t)(token + t) * p->out_stride + row + r] = sum8(all) + bias;
        }
}

AVX2_INLINE void multiply_floats(
    int type, const forage_lm_activations *a, const forage_lm_product *p, int first, int last) {
    size_t stride = (size_t)a->columns * (size_t)lm_block_bytes(type);
    const uint8_t *weights = p->weights;
    int r = first;
    for (; r + 4 <= last; r += 4) {
        int t = 0;
        for (; t + 2 <= a->rows; t += 2) float_tile(type, 4, 2, weights + (size_t)r * stride, stride, a, t, p, r);
        for (; t < a->rows; t++) float_tile(type, 4, 1, weights + (size_t)r * stride, stride, a, t, p, r);
    }
    for (; r < last; r++)
        for (int t = 0; t < a->rows; t++) float_tile(type, 1, 1, weights + (size_t)r * stride, stride, a, t, p, r);
}

#define QUANTISED(name, number, ...) \
    AVX2 static void multiply_##name( \
        const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) { \
        multiply_quantised(number, a, p, first, last, scratch); \
    }
FORAGE_LM_QUANTISED_TYPES(QUANTISED)
#undef QUANTISED
#define MULTIPLY(name, number, ...) \
    case number: multiply_##name(a, p, first, last, scratch); break;

#define MULTIPLY_FLOATS(name, number, ...) \
    case number: multiply_floats(number, a, p, first, last); break;

AVX2 void lm_multiply_avx2(
    const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) {
    switch (p->type) {
        FORAGE_LM_FLOAT_TYPES(MULTIPLY_FLOATS)
        FORAGE_LM_QUANTISED_TYPES(MULTIPLY)
    default: break;
    }
}
#endif
