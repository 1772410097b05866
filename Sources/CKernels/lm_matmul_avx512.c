// SPDX-License-Identifier: Apache-2.0
// AVX-512 with VNNI: several tokens (prefill) by panels of sixteen rows, one register wide, with the 8-bit dot
// instruction. Integer sums are exact and the float operations are those of the AVX2 kernels in their order, so that
// both give the same bits; one token (decode) and float weights, bound by memory, stay with AVX2.
#include "lm_blocks.h"
#if defined(__x86_64__)
#include <immintrin.h>

#ifndef LM_AVX512_TARGET // a translation of the intrinsics for other processors defines it as nothing
#define LM_AVX512_TARGET target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#endif
#define AVX512 __attribute__((LM_AVX512_TARGET))
#define AVX512_INLINE static inline __attribute__((always_inline, LM_AVX512_TARGET))

/// A panel by `tokens` tokens (1 to 8, a constant).
AVX512_INLINE void panel_tokens(
    int type, int tokens, lm_panel w, int blocks, const forage_lm_activations *a, int token, float *out,
    ptrdiff_t out_stride) {
    const int is_signed = type == FORAGE_LM_Q8_0, groups = type == FORAGE_LM_Q6_K ? 2 : 1, count = 8 / groups;
    const __m512i shift = _mm512_set1_epi8((char)0x80);
    __m512 total[8];
    const int8_t *x[8];
    const float *scale[8], *sum[8];
    for (int t = 0; t < tokens; t++) {
        total[t] = _mm512_setzero_ps();
        size_t at = (size_t)(token + t);
        x[t] = a->q + at * (size_t)a->columns;
        scale[t] = a->d + at * (size_t)blocks;
        sum[t] = lm_has_minimum(type) ? a->sum + at * (size_t)blocks : a->half_sum + at * (size_t)blocks * 2;
    }
    for (int b = 0; b < blocks; b++)
        for (int part = 0; part < groups; part++) {
            __m512i wide[8];
            const __m512i *levels = (const __m512i *)(const void *)(w.q + (size_t)(b * 8 + part * 4) * 64);
            // The instruction takes unsigned by signed. Signed levels meet activations raised by 128, and 128 times
            // the sum of the levels is taken off beforehand.
            __m512i start = _mm512_setzero_si512();
            if (is_signed) {
                for (int g = 0; g < count; g++) start = _mm512_dpbusd_epi32(start, shift, _mm512_load_si512(levels + g));
                start = _mm512_sub_epi32(_mm512_setzero_si512(), start);
            }
#pragma clang loop unroll(full)
            for (int t = 0; t < tokens; t++) wide[t] = start;
#pragma clang loop unroll(full)
            for (int g = 0; g < count; g++) {
                __m512i row = _mm512_load_si512(levels + g);
#pragma clang loop unroll(full)
                for (int t = 0; t < tokens; t++) {
                    int four;
                    memcpy(&four, x[t] + (b * 8 + part * 4 + g) * 4, 4);
                    __m512i v = _mm512_set1_epi32(four);
                    wide[t] = is_signed ? _mm512_dpbusd_epi32(wide[t], _mm512_xor_si512(v, shift), row)
                                        : _mm512_dpbusd_epi32(wide[t], row, v);
                }
            }
            size_t at = (size_t)(b * groups + part) * 16;
            __m512 d = _mm512_load_ps(w.d + at), m = _mm512_load_ps(w.m + at);
#pragma clang loop unroll(full)
            for (int t = 0; t < tokens; t++) {
                __m512 s = _mm512_set1_ps(scale[t][b]);
                total[t] = _mm512_fmadd_ps(_mm512_mul_ps(d, s), _mm512_cvtepi32_ps(wide[t]), total[t]);
                if (!is_signed) {
                    float offset = lm_has_minimum(type) ? sum[t][b]
                        : groups == 2                   ? sum[t][2 * b + part]
                                                        : sum[t][2 * b] + sum[t][2 * b + 1];
                    total[t] = _mm512_fmadd_ps(m, _mm512_set1_ps(offset), total[t]);
                }
            }
        }
    for (int t = 0; t < tokens; t++) _mm512_storeu_ps(out + t * out_stride, total[t]);
}

AVX512_INLINE void multiply_quantised(
    int type, const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) {
    int blocks = a->columns / 32;
    size_t stride = (size_t)a->columns / (size_t)lm_block_weights(type) * (size_t)lm_block_bytes(type);
    const uint8_t *weights = p->weights;
    for (int r = first; r < last; r += 16) {
        int rows = last - r < 16 ? last - r : 16;
        lm_panel w = lm_panel_in(scratch, a->columns);
        lm_unpack_panel_avx2(type, weights + (size_t)r * stride, stride, rows, blocks, w);
        for (int t = 0; t < a->rows;) {
            float block[8 * 16], *out = block;
            ptrdiff_t out_stride = 16;
            int tokens = a->rows - t >= 8 ? 8 : a->rows - t >= 4 ? 4 : a->rows - t >= 2 ? 2 : 1;
            int direct = rows == 16 && !p->bias;
            if (direct) {
                out = p->out + (ptrdiff_t)t * p->out_stride + r;
                out_stride = p->out_stride;
            }
            if (tokens == 8) panel_tokens(type, 8, w, blocks, a, t, out, out_stride);
            else if (tokens == 4) panel_tokens(type, 4, w, blocks, a, t, out, out_stride);
            else if (tokens == 2) panel_tokens(type, 2, w, blocks, a, t, out, out_stride);
            else panel_tokens(type, 1, w, blocks, a, t, out, out_stride);
            if (!direct) lm_store_block(p, block, r, rows, t, tokens);
            t += tokens;
        }
    }
}

#define QUANTISED(name, type) \
    AVX512 static void name( \
        const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) { \
        multiply_quantised(type, a, p, first, last, scratch); \
    }
QUANTISED(multiply_q4_0, FORAGE_LM_Q4_0)
QUANTISED(multiply_q4_1, FORAGE_LM_Q4_1)
QUANTISED(multiply_q5_0, FORAGE_LM_Q5_0)
QUANTISED(multiply_q5_1, FORAGE_LM_Q5_1)
QUANTISED(multiply_q8_0, FORAGE_LM_Q8_0)
QUANTISED(multiply_q4_k, FORAGE_LM_Q4_K)
QUANTISED(multiply_q5_k, FORAGE_LM_Q5_K)
QUANTISED(multiply_q6_k, FORAGE_LM_Q6_K)

void lm_multiply_avx512(
    const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) {
    if (a->rows == 1 || lm_is_float(p->type)) {
        lm_multiply_avx2(a, p, first, last, scratch);
        return;
    }
    switch (p->type) {
    case FORAGE_LM_Q4_0: multiply_q4_0(a, p, first, last, scratch); break;
    case FORAGE_LM_Q4_1: multiply_q4_1(a, p, first, last, scratch); break;
    case FORAGE_LM_Q5_0: multiply_q5_0(a, p, first, last, scratch); break;
    case FORAGE_LM_Q5_1: multiply_q5_1(a, p, first, last, scratch); break;
    case FORAGE_LM_Q8_0: multiply_q8_0(a, p, first, last, scratch); break;
    case FORAGE_LM_Q4_K: multiply_q4_k(a, p, first, last, scratch); break;
    case FORAGE_LM_Q5_K: multiply_q5_k(a, p, first, last, scratch); break;
    case FORAGE_LM_Q6_K: multiply_q6_k(a, p, first, last, scratch); break;
    default: break;
    }
}
#endif
