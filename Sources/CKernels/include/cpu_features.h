// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

/// What the processor can run; the kernels choose their variant by it once, at load.
typedef enum {
    FORAGE_CPU_PORTABLE = 0,
    FORAGE_CPU_AVX2 = 1,   // AVX2 + FMA + F16C
    FORAGE_CPU_AVX512 = 2, // AVX-512 F, BW, VL, DQ (and everything of AVX2)
    FORAGE_CPU_NEON = 3,   // arm64
} forage_cpu_level;

/// The level that the kernels use: the best that the processor has, or a lower one that was forced.
forage_cpu_level forage_cpu_get_level(void);

/// Forces a level for tests and comparisons. A level that the processor lacks is refused (returns 0).
int forage_cpu_force_level(forage_cpu_level level);
