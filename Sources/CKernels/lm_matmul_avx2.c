// SPDX-License-Identifier: Apache-2.0
// AVX2 products of quantised weights and 8-bit activations.
//
// One token (decode): eight rows at a time straight from the file's layout; the eight integer sums of a block are
// transposed into one vector, so that scales are applied to eight rows at once.
// Several tokens (prefill): sixteen rows are unpacked once into a panel [k/4][16 rows][4], which stays in the L1 cache
// while all tokens pass over it; 16-bit sums are widened only where they could overflow.
// Both add the blocks of a row in the same order with the same roundings, so a token's result is the same bits in
// either. The file's layout is never copied beyond a panel: memory stays that of the file.
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

/// The 32 levels of a block as bytes.
AVX2_INLINE __m256i levels(int type, const uint8_t *row, int b) {
    const uint8_t *p = lm_block(type, row, b);
    const __m256i low4 = _mm256_set1_epi8(15);
    switch (type) {
    case FORAGE_LM_Q4_0:
    case FORAGE_LM_Q4_1: {
        __m128i x = _mm_loadu_si128((const __m128i *)(p + (type == FORAGE_LM_Q4_0 ? 2 : 4)));
        return _mm256_and_si256(_mm256_inserti128_si256(_mm256_castsi128_si256(x), _mm_srli_epi16(x, 4), 1), low4);
    }
    case FORAGE_LM_Q5_0:
    case FORAGE_LM_Q5_1: {
        p += type == FORAGE_LM_Q5_0 ? 2 : 4;
        int high;
        memcpy(&high, p, 4);
        __m128i x = _mm_loadu_si128((const __m128i *)(p + 4));
        __m256i q = _mm256_and_si256(
            _mm256_inserti128_si256(_mm256_castsi128_si256(x), _mm_srli_epi16(x, 4), 1), low4);
        __m256i bytes = _mm256_shuffle_epi8(
            _mm256_set1_epi32(high),
            _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303));
        __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ULL);
        __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
        return _mm256_or_si256(q, _mm256_and_si256(set, _mm256_set1_epi8(16)));
    }
    case FORAGE_LM_Q8_0: return _mm256_loadu_si256((const __m256i *)(p + 2));
    case FORAGE_LM_Q4_K:
    case FORAGE_LM_Q5_K: {
        int j = b & 7;
        __m256i x = _mm256_loadu_si256(
            (const __m256i *)(p + (type == FORAGE_LM_Q4_K ? 16 : 48) + 32 * (j >> 1)));
        x = _mm256_and_si256(_mm256_srl_epi16(x, _mm_cvtsi32_si128((j & 1) * 4)), low4);
        if (type == FORAGE_LM_Q5_K) {
            __m256i high = _mm256_loadu_si256((const __m256i *)(p + 16));
            high = _mm256_srl_epi16(high, _mm_cvtsi32_si128(j));
            high = _mm256_slli_epi16(_mm256_and_si256(high, _mm256_set1_epi8(1)), 4);
            x = _mm256_or_si256(x, high);
        }
        return x;
    }
    case FORAGE_LM_Q6_K: {
        int n = (b & 7) >> 2, j = b & 3;
        __m256i x = _mm256_loadu_si256((const __m256i *)(p + 64 * n + 32 * (j & 1)));
        x = _mm256_and_si256(_mm256_srl_epi16(x, _mm_cvtsi32_si128((j >> 1) * 4)), low4);
        __m256i high = _mm256_loadu_si256((const __m256i *)(p + 128 + 32 * n));
        high = _mm256_srl_epi16(high, _mm_cvtsi32_si128(2 * j));
        high = _mm256_slli_epi16(_mm256_and_si256(high, _mm256_set1_epi8(3)), 4);
        return _mm256_or_si256(x, high);
    }
    default: return _mm256_setzero_si256();
    }
}

/// The largest level, which says how many 16-bit products of it with 127 may be added.
LM_INLINE int most_level(int type) {
    switch (type) {
    case FORAGE_LM_Q4_0:
    case FORAGE_LM_Q4_1:
    case FORAGE_LM_Q4_K: return 15;
    case FORAGE_LM_Q5_0:
    case FORAGE_LM_Q5_1:
    case FORAGE_LM_Q5_K: return 31;
    case FORAGE_LM_Q6_K: return 63;
    default: return 128;
    }
}

/// Scales and offsets of block b of eight rows. For Q6_K: of one half of it.
AVX2_INLINE void scales8(int type, const uint8_t *row, size_t stride, int b, int half, __m256 *d, __m256 *m) {
    switch (type) {
    case FORAGE_LM_Q4_1:
    case FORAGE_LM_Q5_1: {
        size_t at = (size_t)b * (size_t)lm_block_bytes(type);
        uint32_t both[8];
        for (int r = 0; r < 8; r++) memcpy(both + r, row + (size_t)r * stride + at, 4);
        __m256i v = _mm256_loadu_si256((const __m256i *)both);
        __m256i pick = _mm256_setr_epi8(
            0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
        v = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(v, pick), 0xD8);
        *d = _mm256_cvtph_ps(_mm256_castsi256_si128(v));
        *m = _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1));
        break;
    }
    case FORAGE_LM_Q4_0:
    case FORAGE_LM_Q5_0:
    case FORAGE_LM_Q8_0: {
        size_t at = (size_t)b * (size_t)lm_block_bytes(type);
        uint16_t h[8];
        for (int r = 0; r < 8; r++) memcpy(h + r, row + (size_t)r * stride + at, 2);
        *d = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)h));
        if (type == FORAGE_LM_Q4_0) *m = _mm256_mul_ps(*d, _mm256_set1_ps(-8));
        else if (type == FORAGE_LM_Q5_0) *m = _mm256_mul_ps(*d, _mm256_set1_ps(-16));
        else *m = _mm256_setzero_ps();
        break;
    }
    case FORAGE_LM_Q6_K: {
        uint16_t h[8];
        int8_t s[8];
        for (int r = 0; r < 8; r++) {
            const uint8_t *p = lm_block(type, row + (size_t)r * stride, b);
            memcpy(h + r, p + 208, 2);
            s[r] = (int8_t)p[192 + 2 * (b & 7) + half];
        }
        __m256 scale = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)s)));
        *d = _mm256_mul_ps(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)h)), scale);
        *m = _mm256_mul_ps(*d, _mm256_set1_ps(-32));
        break;
    }
    default: {
        uint16_t h[8], hm[8];
        uint8_t s[8], sm[8];
        for (int r = 0; r < 8; r++) {
            const uint8_t *p = lm_block(type, row + (size_t)r * stride, b);
            int scale, minimum;
            memcpy(h + r, p, 2);
            memcpy(hm + r, p + 2, 2);
            lm_scale6(p + 4, b & 7, &scale, &minimum);
            s[r] = (uint8_t)scale;
            sm[r] = (uint8_t)minimum;
        }
        __m256 scale = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)s)));
        __m256 minimum = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)sm)));
        *d = _mm256_mul_ps(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)h)), scale);
        *m = _mm256_mul_ps(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)hm)), minimum);
        *m = _mm256_xor_ps(*m, _mm256_set1_ps(-0.0f));
    }
    }
}

AVX2_INLINE __m256i product(int type, __m256i q, __m256i x) {
    if (type == FORAGE_LM_Q8_0) return _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(x, q));
    return _mm256_maddubs_epi16(q, x);
}

/// Eight rows by one token.
AVX2_INLINE __m256 rows8(int type, const uint8_t *row, size_t stride, int blocks, const forage_lm_activations *a) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256 total = _mm256_setzero_ps();
    const int8_t *x = a->q;
    for (int b = 0; b < blocks; b++, x += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)x);
        __m256i s[8];
        for (int r = 0; r < 8; r++) s[r] = product(type, levels(type, row + (size_t)r * stride, b), v);
        __m256i low, high;
        if (most_level(type) <= 31) {
            low = _mm256_hadd_epi16(_mm256_hadd_epi16(s[0], s[1]), _mm256_hadd_epi16(s[2], s[3]));
            high = _mm256_hadd_epi16(_mm256_hadd_epi16(s[4], s[5]), _mm256_hadd_epi16(s[6], s[7]));
            low = _mm256_madd_epi16(low, ones);
            high = _mm256_madd_epi16(high, ones);
        } else {
            for (int r = 0; r < 8; r++) s[r] = _mm256_madd_epi16(s[r], ones);
            low = _mm256_hadd_epi32(_mm256_hadd_epi32(s[0], s[1]), _mm256_hadd_epi32(s[2], s[3]));
            high = _mm256_hadd_epi32(_mm256_hadd_epi32(s[4], s[5]), _mm256_hadd_epi32(s[6], s[7]));
        }
        __m256i first = _mm256_permute2x128_si256(low, high, 0x20), second = _mm256_permute2x128_si256(low, high, 0x31);
        __m256 d, m, scale = _mm256_set1_ps(a->d[b]);
        if (type == FORAGE_LM_Q6_K) {
            scales8(type, row, stride, b, 0, &d, &m);
            total = _mm256_fmadd_ps(_mm256_mul_ps(d, scale), _mm256_cvtepi32_ps(first), total);
            total = _mm256_fmadd_ps(m, _mm256_set1_ps(a->half_sum[2 * b]), total);
            scales8(type, row, stride, b, 1, &d, &m);
            total = _mm256_fmadd_ps(_mm256_mul_ps(d, scale), _mm256_cvtepi32_ps(second), total);
            total = _mm256_fmadd_ps(m, _mm256_set1_ps(a->half_sum[2 * b + 1]), total);
        } else {
            scales8(type, row, stride, b, 0, &d, &m);
            total = _mm256_fmadd_ps(
                _mm256_mul_ps(d, scale), _mm256_cvtepi32_ps(_mm256_add_epi32(first, second)), total);
            if (type != FORAGE_LM_Q8_0) total = _mm256_fmadd_ps(m, _mm256_set1_ps(lm_block_sum(type, a, b)), total);
        }
    }
    return total;
}

AVX2_INLINE void transpose8(__m256i v[8]) {
    __m256i t[8], u[8];
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        u[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        u[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        u[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        u[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
        v[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
    }
}

AVX2_INLINE void unpack_panel(int type, const uint8_t *row, size_t stride, int rows, int blocks, lm_panel out) {
    int groups = type == FORAGE_LM_Q6_K ? 2 : 1;
    for (int side = 0; side < 2; side++) {
        const uint8_t *base[8];
        // Rows past the end repeat the last one; their results are not stored.
        for (int r = 0; r < 8; r++) {
            int at = side * 8 + r;
            base[r] = row + (size_t)(at < rows ? at : rows - 1) * stride;
        }
        size_t step = side * 8 + 8 <= rows ? stride : 0;
        const uint8_t *plain = step ? base[0] : base[7];
        for (int b = 0; b < blocks; b++) {
            __m256i v[8];
            for (int r = 0; r < 8; r++) v[r] = levels(type, base[r], b);
            transpose8(v);
            for (int g = 0; g < 8; g++)
                _mm256_store_si256((__m256i *)(out.q + ((size_t)(b * 8 + g) * 16 + (size_t)side * 8) * 4), v[g]);
            for (int half = 0; half < groups; half++) {
                __m256 d, m;
                if (step) {
                    scales8(type, plain, step, b, half, &d, &m);
                } else {
                    float ds[8], ms[8];
                    for (int r = 0; r < 8; r++) {
                        float pair_d[2], pair_m[2];
                        lm_block_scales(type, base[r], b, pair_d, pair_m);
                        ds[r] = pair_d[half];
                        ms[r] = pair_m[half];
                    }
                    d = _mm256_loadu_ps(ds);
                    m = _mm256_loadu_ps(ms);
                }
                size_t at = (size_t)(b * groups + half) * 16 + (size_t)side * 8;
                _mm256_store_ps(out.d + at, d);
                _mm256_store_ps(out.m + at, m);
            }
        }
    }
}

#define UNPACK(t) \
    case t: unpack_panel(t, row, stride, rows, blocks, out); break;
AVX2 void lm_unpack_panel_avx2(int type, const uint8_t *row, size_t stride, int rows, int blocks, lm_panel out) {
    switch (type) {
        UNPACK(FORAGE_LM_Q4_0)
        UNPACK(FORAGE_LM_Q4_1)
        UNPACK(FORAGE_LM_Q5_0)
        UNPACK(FORAGE_LM_Q5_1)
        UNPACK(FORAGE_LM_Q8_0)
        UNPACK(FORAGE_LM_Q4_K)
        UNPACK(FORAGE_LM_Q5_K)
        UNPACK(FORAGE_LM_Q6_K)
    default: break;
    }
}

/// A panel by `tokens` tokens (1 to 4, a constant).
AVX2_INLINE void panel_tokens(
    int type, int tokens, lm_panel w, int blocks, const forage_lm_activations *a, int token, float *out,
    ptrdiff_t out_stride) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256 total[4][2];
    const int8_t *x[4];
    const float *scale[4], *sum[4];
    for (int t = 0; t < tokens; t++) {
        total[t][0] = total[t][1] = _mm256_setzero_ps();
        size_t at = (size_t)(token + t);
        x[t] = a->q + at * (size_t)a->columns;
        scale[t] = a->d + at * (size_t)blocks;
        sum[t] = lm_has_minimum(type) ? a->sum + at * (size_t)blocks : a->half_sum + at * (size_t)blocks * 2;
    }
    int groups = type == FORAGE_LM_Q6_K ? 2 : 1;
    // Steps of four k whose 16-bit sums cannot overflow: 2 * level * 127 * steps < 32768.
    const int most = most_level(type), steps = most == 15 ? 8 : most == 31 ? 4 : most == 63 ? 2 : 1;
    for (int b = 0; b < blocks; b++) {
        for (int part = 0; part < groups; part++) {
            const int count = 8 / groups;
            __m256i wide[4][2];
            for (int from = 0; from < count; from += steps) {
                __m256i narrow[4][2];
#pragma clang loop unroll(full)
                for (int s = 0; s < steps; s++) {
                    int g = b * 8 + part * 4 + from + s;
                    const __m256i *levels_at = (const __m256i *)(w.q + (size_t)g * 64);
                    __m256i w0 = _mm256_load_si256(levels_at), w1 = _mm256_load_si256(levels_at + 1);
#pragma clang loop unroll(full)
                    for (int t = 0; t < tokens; t++) {
                        int four;
                        memcpy(&four, x[t] + g * 4, 4);
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
                        wide[t][side] = from ? _mm256_add_epi32(wide[t][side], widened) : widened;
                    }
            }
            size_t at = (size_t)(b * groups + part) * 16;
            __m256 d0 = _mm256_load_ps(w.d + at), d1 = _mm256_load_ps(w.d + at + 8);
            __m256 m0 = _mm256_load_ps(w.m + at), m1 = _mm256_load_ps(w.m + at + 8);
#pragma clang loop unroll(full)
            for (int t = 0; t < tokens; t++) {
                __m256 s = _mm256_set1_ps(scale[t][b]);
                total[t][0] = _mm256_fmadd_ps(_mm256_mul_ps(d0, s), _mm256_cvtepi32_ps(wide[t][0]), total[t][0]);
                total[t][1] = _mm256_fmadd_ps(_mm256_mul_ps(d1, s), _mm256_cvtepi32_ps(wide[t][1]), total[t][1]);
                if (type != FORAGE_LM_Q8_0) {
                    float s32 = lm_has_minimum(type) ? sum[t][b]
                        : groups == 2              ? sum[t][2 * b + part]
                                                   : sum[t][2 * b] + sum[t][2 * b + 1];
                    __m256 offset = _mm256_set1_ps(s32);
                    total[t][0] = _mm256_fmadd_ps(m0, offset, total[t][0]);
                    total[t][1] = _mm256_fmadd_ps(m1, offset, total[t][1]);
                }
            }
        }
    }
    for (int t = 0; t < tokens; t++) {
        _mm256_storeu_ps(out + t * out_stride, total[t][0]);
        _mm256_storeu_ps(out + t * out_stride + 8, total[t][1]);
    }
}

AVX2_INLINE void multiply_quantised(
    int type, const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) {
    int blocks = a->columns / 32;
    size_t stride = (size_t)a->columns / (size_t)lm_block_weights(type) * (size_t)lm_block_bytes(type);
    const uint8_t *weights = p->weights;
    int r = first;
    if (a->rows == 1) {
        for (; r + 8 <= last; r += 8) {
            __m256 total = rows8(type, weights + (size_t)r * stride, stride, blocks, a);
            if (p->bias) total = _mm256_add_ps(total, _mm256_loadu_ps(p->bias + r));
            _mm256_storeu_ps(p->out + r, total);
        }
    }
    for (; r < last; r += 16) {
        int rows = last - r < 16 ? last - r : 16;
        lm_panel w = lm_panel_in(scratch, a->columns);
        unpack_panel(type, weights + (size_t)r * stride, stride, rows, blocks, w);
        for (int t = 0; t < a->rows; t += 4) {
            float block[4 * 16], *out = block;
            ptrdiff_t out_stride = 16;
            int tokens = a->rows - t < 4 ? a->rows - t : 4;
            int direct = rows == 16 && !p->bias;
            if (direct) {
                out = p->out + (ptrdiff_t)t * p->out_stride + r;
                out_stride = p->out_stride;
            }
            if (tokens == 4) panel_tokens(type, 4, w, blocks, a, t, out, out_stride);
            else if (tokens == 3) panel_tokens(type, 3, w, blocks, a, t, out, out_stride);
            else if (tokens == 2) panel_tokens(type, 2, w, blocks, a, t, out, out_stride);
            else panel_tokens(type, 1, w, blocks, a, t, out, out_stride);
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

#define QUANTISED(name, type) \
    AVX2 static void name( \
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

AVX2 void lm_multiply_avx2(
    const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) {
    switch (p->type) {
    case FORAGE_LM_F32: multiply_floats(FORAGE_LM_F32, a, p, first, last); break;
    case FORAGE_LM_F16: multiply_floats(FORAGE_LM_F16, a, p, first, last); break;
    case FORAGE_LM_BF16: multiply_floats(FORAGE_LM_BF16, a, p, first, last); break;
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
