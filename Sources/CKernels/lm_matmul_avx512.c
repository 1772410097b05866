// SPDX-License-Identifier: Apache-2.0
// AVX-512 with VNNI: panels of sixteen rows, a row in each lane, with the 8-bit dot instruction. Integer sums are exact
// and the float operations are those of the AVX2 kernels in their order, so that both give the same bits; float weights
// stay with AVX2.
#include "lm_blocks.h"
#if defined(__x86_64__)
#include <immintrin.h>

#ifndef LM_AVX512_TARGET // a translation of the intrinsics for other processors defines it as nothing
#define LM_AVX512_TARGET target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
/// Keeps the compiler from putting the sums of one token behind those of another: their chains are to run side by side.
#define SIDE_BY_SIDE(sum) __asm__("" : "+v"(sum))
#else
#define SIDE_BY_SIDE(sum) (void)0
#endif
#define AVX512 __attribute__((LM_AVX512_TARGET))
#define AVX512_INLINE static inline __attribute__((always_inline, LM_AVX512_TARGET))

/// The levels of group `g` (0 to 7, a constant) of a block.
AVX512_INLINE __m512i levels(int type, const uint8_t *block, int g) {
    const int bits = lm_level_bits(type);
    if (bits == 8) return _mm512_loadu_si512(block + 64 * g);
    __m512i x = _mm512_loadu_si512(block + 64 * (g & 3));
    x = _mm512_and_si512(g < 4 ? x : _mm512_srli_epi16(x, 4), _mm512_set1_epi8(15));
    if (bits == 5) {
        __m512i top = _mm512_loadu_si512(block + 256);
        top = g < 4 ? _mm512_sll_epi16(top, _mm_cvtsi32_si128(4 - (g & 3)))
                    : _mm512_srl_epi16(top, _mm_cvtsi32_si128(g & 3));
        x = _mm512_or_si512(x, _mm512_and_si512(top, _mm512_set1_epi8(16)));
    } else if (bits == 6) {
        const int j = g & 3;
        __m512i top = _mm512_loadu_si512(block + 256 + 64 * (g >> 2));
        top = j < 2 ? _mm512_sll_epi16(top, _mm_cvtsi32_si128(4 - 2 * j))
                    : _mm512_srl_epi16(top, _mm_cvtsi32_si128(2 * (j & 1)));
        x = _mm512_or_si512(x, _mm512_and_si512(top, _mm512_set1_epi8(0x30)));
    }
    return x;
}

AVX512_INLINE __m512 halves(const uint8_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

/// The 6-bit scales and minima of a super-block: bytes [16 rows][4 blocks], scales of blocks 0 to 3 and 4 to 7, then the
/// minima.
AVX512_INLINE void super_scales(const uint8_t *p, __m512i out[4]) {
    const __m512i low6 = _mm512_set1_epi8(63), low4 = _mm512_set1_epi8(15), top2 = _mm512_set1_epi8(0x30);
    __m512i s = _mm512_loadu_si512(p), m = _mm512_loadu_si512(p + 64), both = _mm512_loadu_si512(p + 128);
    out[0] = _mm512_and_si512(s, low6);
    out[1] = _mm512_or_si512(
        _mm512_and_si512(both, low4), _mm512_and_si512(_mm512_srli_epi16(s, 2), top2));
    out[2] = _mm512_and_si512(m, low6);
    out[3] = _mm512_or_si512(
        _mm512_and_si512(_mm512_srli_epi16(both, 4), low4), _mm512_and_si512(_mm512_srli_epi16(m, 2), top2));
}

AVX512_INLINE __m512 byte_of(__m512i fours, int j) {
    __m512i x = _mm512_srl_epi32(fours, _mm_cvtsi32_si128(8 * j));
    return _mm512_cvtepi32_ps(_mm512_and_si512(x, _mm512_set1_epi32(255)));
}

/// Scales and offsets of block `b`, or of one half of it. `super` holds super_scales of Q4_K and Q5_K.
AVX512_INLINE void scales(
    int type, const uint8_t *p, int b, int half, const __m512i super[4], __m512 *d, __m512 *m) {
    *d = halves(p);
    switch (lm_scales(type)) {
    case LM_SCALES_ONE:
        *m = lm_zero(type) ? _mm512_mul_ps(*d, _mm512_set1_ps((float)-lm_zero(type))) : _mm512_setzero_ps();
        break;
    case LM_SCALES_MINIMUM: *m = halves(p + 32); break;
    case LM_SCALES_HALVES: {
        __m128i s = _mm_loadu_si128((const __m128i *)(const void *)(p + 32 + 16 * (2 * (b & 7) + half)));
        *d = _mm512_mul_ps(*d, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(s)));
        *m = _mm512_mul_ps(*d, _mm512_set1_ps(-32));
        break;
    }
    case LM_SCALES_SIX_BITS: {
        const int j = b & 3, second = b >> 2 & 1;
        *d = _mm512_mul_ps(*d, byte_of(super[second], j));
        *m = _mm512_mul_ps(halves(p + 32), byte_of(super[2 + second], j));
        *m = _mm512_sub_ps(_mm512_set1_ps(-0.0f), *m);
    }
    }
}

/// Four activations in every lane.
AVX512_INLINE __m512i four(const int8_t *x) {
    int value;
    memcpy(&value, x, 4);
    return _mm512_set1_epi32(value);
}

/// A panel by `tokens` tokens (1 to 8, a constant). `wide`: of a panel that was widened; NULL: as it is.
AVX512_INLINE void panel_tokens(
    int type, int tokens, const uint8_t *panel, const lm_wide_panel *wide, int blocks, const forage_lm_activations *a,
    int token, float *out, ptrdiff_t out_stride) {
    const int is_signed = lm_is_signed(type), groups = lm_groups(type), count = 8 / groups;
    const int is_six = lm_is_six(type);
    const size_t level_bytes = wide ? 512 : lm_panel_level_bytes(type);
    const __m512i shift = _mm512_set1_epi8((char)0x80);
    __m512 total[8];
    __m512i super[4];
    const int8_t *x[8];
    const float *scale[8], *sum[8];
    for (int t = 0; t < tokens; t++) {
        total[t] = _mm512_setzero_ps();
        size_t at = (size_t)(token + t);
        x[t] = a->q + at * (size_t)a->columns;
        scale[t] = a->d + at * (size_t)blocks;
        sum[t] = lm_has_minimum(type) ? a->sum + at * (size_t)blocks : a->half_sum + at * (size_t)blocks * 2;
    }
    for (int b = 0; b < blocks; b++) {
        const uint8_t *block = (wide ? wide->q : panel) + (size_t)b * level_bytes;
        const uint8_t *scales_at = wide ? NULL : lm_panel_scales(type, panel, blocks, b);
        if (!wide) {
#pragma clang loop unroll(full)
            for (size_t i = 0; i < level_bytes; i += 64) _mm_prefetch((const char *)block + LM_AHEAD + i, _MM_HINT_T0);
            if (is_six && (b & 7) == 0) super_scales(scales_at + 64, super);
        }
        for (int part = 0; part < groups; part++) {
            __m512i dots[8];
            // The instruction takes unsigned by signed. Signed levels meet activations raised by 128, and 128 times
            // the sum of the levels is taken off beforehand.
            __m512i start = _mm512_setzero_si512();
            if (is_signed) {
                for (int g = 0; g < count; g++)
                    start = _mm512_dpbusd_epi32(start, shift, levels(FORAGE_LM_Q8_0, block, g));
                start = _mm512_sub_epi32(_mm512_setzero_si512(), start);
            }
#pragma clang loop unroll(full)
            for (int t = 0; t < tokens; t++) dots[t] = start;
#pragma clang loop unroll(full)
            for (int i = 0; i < count; i++) {
                const int g = part * 4 + i;
                __m512i row = levels(wide ? FORAGE_LM_Q8_0 : type, block, g);
#pragma clang loop unroll(full)
                for (int t = 0; t < tokens; t++) {
                    __m512i v = four(x[t] + b * 32 + g * 4);
                    dots[t] = is_signed ? _mm512_dpbusd_epi32(dots[t], _mm512_xor_si512(v, shift), row)
                                        : _mm512_dpbusd_epi32(dots[t], row, v);
                }
#pragma clang loop unroll(full)
                for (int t = 0; t < tokens; t++) SIDE_BY_SIDE(dots[t]);
            }
            __m512 d, m;
            if (wide) {
                size_t at = (size_t)(b * groups + part) * 16;
                d = _mm512_load_ps(wide->d + at);
                m = _mm512_load_ps(wide->m + at);
            } else {
                scales(type, scales_at, b, part, super, &d, &m);
            }
#pragma clang loop unroll(full)
            for (int t = 0; t < tokens; t++) {
                __m512 s = _mm512_set1_ps(scale[t][b]);
                total[t] = _mm512_fmadd_ps(_mm512_mul_ps(d, s), _mm512_cvtepi32_ps(dots[t]), total[t]);
                if (!is_signed) {
                    float offset = lm_has_minimum(type) ? sum[t][b]
                        : groups == 2                   ? sum[t][2 * b + part]
                                                        : sum[t][2 * b] + sum[t][2 * b + 1];
                    total[t] = _mm512_fmadd_ps(m, _mm512_set1_ps(offset), total[t]);
                }
            }
        }
    }
    for (int t = 0; t < tokens; t++) _mm512_storeu_ps(out + t * out_stride, total[t]);
}

AVX512_INLINE void widen(int type, const uint8_t *panel, int blocks, lm_wide_panel out) {
    const int groups = lm_groups(type);
    __m512i super[4];
    for (int b = 0; b < blocks; b++) {
        const uint8_t *block = panel + (size_t)b * lm_panel_level_bytes(type);
        const uint8_t *scales_at = lm_panel_scales(type, panel, blocks, b);
        if (lm_is_super(type) && groups == 1 && (b & 7) == 0) super_scales(scales_at + 64, super);
#pragma clang loop unroll(full)
        for (int g = 0; g < 8; g++) _mm512_store_si512(out.q + (size_t)(b * 8 + g) * 64, levels(type, block, g));
        for (int part = 0; part < groups; part++) {
            __m512 d, m;
            scales(type, scales_at, b, part, super, &d, &m);
            _mm512_store_ps(out.d + (size_t)(b * groups + part) * 16, d);
            _mm512_store_ps(out.m + (size_t)(b * groups + part) * 16, m);
        }
    }
}

AVX512_INLINE void multiply_quantised(
    int type, const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) {
    int blocks = a->columns / 32;
    const uint8_t *panel = (const uint8_t *)p->weights + (size_t)(first / 16) * lm_panel_bytes(type, a->columns);
    for (int r = first; r < last; r += 16, panel += lm_panel_bytes(type, a->columns)) {
        int rows = last - r < 16 ? last - r : 16;
        lm_wide_panel w = lm_wide_panel_in(scratch, a->columns);
        int is_wide = a->rows > LM_FEW_TOKENS;
        if (is_wide) widen(type, panel, blocks, w);
        for (int t = 0; t < a->rows;) {
            float block[8 * 16], *out = block;
            ptrdiff_t out_stride = 16;
            int tokens = a->rows - t >= 8 ? 8 : a->rows - t;
            if (is_wide && tokens < 8) tokens = tokens >= 4 ? 4 : tokens >= 2 ? 2 : 1;
            int direct = rows == 16 && !p->bias;
            if (direct) {
                out = p->out + (ptrdiff_t)t * p->out_stride + r;
                out_stride = p->out_stride;
            }
#define TOKENS(n) \
    case n: panel_tokens(type, n, panel, NULL, blocks, a, t, out, out_stride); break;
#define WIDE_TOKENS(n) \
    case n: panel_tokens(type, n, panel, &w, blocks, a, t, out, out_stride); break;
            if (is_wide) {
                switch (tokens) {
                    WIDE_TOKENS(1)
                    WIDE_TOKENS(2)
                    WIDE_TOKENS(4)
                    WIDE_TOKENS(8)
                }
            } else {
                switch (tokens) {
                    TOKENS(1)
                    TOKENS(2)
                    TOKENS(3)
                    TOKENS(4)
                    TOKENS(5)
                    TOKENS(6)
                    TOKENS(7)
                    TOKENS(8)
                }
            }
            if (!direct) lm_store_block(p, block, r, rows, t, tokens);
            t += tokens;
        }
    }
}

#define QUANTISED(name, number, ...) \
    AVX512 static void multiply_##name( \
        const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) { \
        multiply_quantised(number, a, p, first, last, scratch); \
    }
FORAGE_LM_QUANTISED_TYPES(QUANTISED)
#undef QUANTISED
#define MULTIPLY(name, number, ...) \
    case number: multiply_##name(a, p, first, last, scratch); break;

void lm_multiply_avx512(
    const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) {
    switch (p->type) {
        FORAGE_LM_QUANTISED_TYPES(MULTIPLY)
    default: lm_multiply_avx2(a, p, first, last, scratch); break;
    }
}
#endif
