// SPDX-License-Identifier: Apache-2.0
// Eight floats at a time in the compiler's own vector types: one source, compiled for the baseline and for AVX2.
#pragma once
#include "cpu_features.h"
#include "lm_blocks.h"
#include <math.h>

typedef float v8 __attribute__((vector_size(32), aligned(4)));
typedef int32_t v8i __attribute__((vector_size(32), aligned(4)));

#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpsabi"
#endif

LM_INLINE v8 v8_load(const float *p) { return *(const v8 *)p; }
LM_INLINE void v8_store(float *p, v8 x) { *(v8 *)p = x; }
LM_INLINE v8 v8_all(float x) { return (v8){x, x, x, x, x, x, x, x}; }
LM_INLINE float v8_sum(v8 x) { return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7])); }
LM_INLINE v8 v8_choose(v8i mask, v8 yes, v8 no) { return (v8)((mask & (v8i)yes) | (~mask & (v8i)no)); }
LM_INLINE v8 v8_max(v8 a, v8 b) { return v8_choose(a > b, a, b); }
LM_INLINE float v8_most(v8 x) {
    float most = x[0];
    for (int i = 1; i < 8; i++) most = x[i] > most ? x[i] : most;
    return most;
}

/// exp to about 1e-7: 2^n times a polynomial on [-ln2/2, ln2/2]; 0 below -87, finite above 88.
LM_INLINE v8 v8_exp(v8 x) {
    v8i low = x < v8_all(-87.0f);
    x = v8_choose(low, v8_all(-87.0f), x);
    x = v8_choose(x > v8_all(88.0f), v8_all(88.0f), x);
    const float magic = 12582912.0f; // 1.5 * 2^23: adding it rounds to an integer
    v8 shifted = x * v8_all(1.44269504088896341f) + v8_all(magic);
    v8i exponent = ((v8i)shifted) << 23;
    v8 n = shifted - v8_all(magic);
    v8 r = x - n * v8_all(0.693359375f);
    r = r - n * v8_all(-2.12194440e-4f);
    v8 p = v8_all(1.9875691500e-4f);
    p = p * r + v8_all(1.3981999507e-3f);
    p = p * r + v8_all(8.3334519073e-3f);
    p = p * r + v8_all(4.1665795894e-2f);
    p = p * r + v8_all(1.6666665459e-1f);
    p = p * r + v8_all(5.0000001201e-1f);
    p = p * r * r + r + v8_all(1.0f);
    return v8_choose(low, v8_all(0), (v8)((v8i)p + exponent));
}

#if defined(__x86_64__)
#define LM_AVX2 __attribute__((target("avx2,fma,f16c")))
#endif
