// SPDX-License-Identifier: Apache-2.0
// What the kernels of training share. Each kernel has one body, compiled twice: for the processor's baseline and for AVX2
// with fused products, where the compiler makes eight lanes of it. Sums may be taken in any order.
#pragma once
#include "cpu_features.h"
#include <stdint.h>
#include <string.h>

#define BODY static inline __attribute__((always_inline)) void
#define INLINE static inline __attribute__((always_inline)) float
#define SUMS _Pragma("clang fp reassociate(on) contract(fast)")

#if defined(__x86_64__)
#define TWICE(name, parameters, arguments)                                                                            \
    __attribute__((target("avx2,fma"))) static void name##_avx2 parameters { name##_body arguments; }                 \
    static void name##_portable parameters { name##_body arguments; }                                                 \
    void forage_##name parameters {                                                                                   \
        forage_cpu_level level = forage_cpu_get_level();                                                              \
        if (level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512) name##_avx2 arguments;                            \
        else name##_portable arguments;                                                                               \
    }
#else
#define TWICE(name, parameters, arguments)                                                                            \
    void forage_##name parameters { name##_body arguments; }
#endif

// exp by range reduction and a polynomial of degree 6; relative error below 2e-7.
INLINE exponential(float x) {
    x = x < -87.3f ? -87.3f : x;
    x = x > 88.3f ? 88.3f : x;
    float n = x * 1.44269504088896341f + 12582912.0f; // rounds to the nearest whole number
    n -= 12582912.0f;
    float r = x - n * 0.693359375f;
    r += n * 2.12194440e-4f;
    float p = 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    int32_t bits = ((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, 4);
    return p * power;
}
