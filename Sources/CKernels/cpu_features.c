// SPDX-License-Identifier: Apache-2.0
#include "cpu_features.h"
#include <stdatomic.h>

static forage_cpu_level detect(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))) return FORAGE_CPU_PORTABLE;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return FORAGE_CPU_AVX512;
    return FORAGE_CPU_AVX2;
#elif defined(__aarch64__)
    return FORAGE_CPU_NEON;
#else
    return FORAGE_CPU_PORTABLE;
#endif
}

static _Atomic int current = -1;

forage_cpu_level forage_cpu_get_level(void) {
    int level = atomic_load_explicit(&current, memory_order_relaxed);
    if (level < 0) {
        level = (int)detect();
        atomic_store_explicit(&current, level, memory_order_relaxed);
    }
    return (forage_cpu_level)level;
}

int forage_cpu_force_level(forage_cpu_level level) {
    forage_cpu_level best = detect();
    int runs = level == FORAGE_CPU_PORTABLE || level == best || (best == FORAGE_CPU_AVX512 && level == FORAGE_CPU_AVX2);
    if (!runs) return 0;
    atomic_store_explicit(&current, (int)level, memory_order_relaxed);
    return 1;
}
