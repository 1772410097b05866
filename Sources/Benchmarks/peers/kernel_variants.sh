#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the AVX-512 and arm64 variants of the language model's products on a machine that has neither: AVX-512 through
# SIMDe's translation of the intrinsics, arm64 through QEMU. Needs clang and Debian's libsimde-dev, qemu-user,
# gcc-aarch64-linux-gnu. Run it from the repository's root.
set -euo pipefail
clang=${CLANG:-clang}
here=Sources/Benchmarks/peers
kernels=Sources/CKernels
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-O2 -I$kernels -I$kernels/include"
common="lm_matmul lm_pack lm_formats lm_pool"

# The conversions that SIMDe lacks.
cat > "$work/avx512_translated.h" <<'C'
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
typedef union {
    __m512i integers;
    __m512 floats;
    int i[16];
    float f[16];
} lanes;
static inline __m512 floats_of_integers(__m512i x) {
    lanes from = {.integers = x}, to;
    for (int i = 0; i < 16; i++) to.f[i] = (float)from.i[i];
    return to.floats;
}
static inline __m512i integers_of_bytes(__m128i x) {
    signed char bytes[16];
    lanes to;
    memcpy(bytes, &x, 16);
    for (int i = 0; i < 16; i++) to.i[i] = bytes[i];
    return to.integers;
}
static inline __m512 floats_of_halves(__m256i x) {
    unsigned short halves[16];
    lanes to;
    memcpy(halves, &x, 32);
    for (int i = 0; i < 16; i++) to.f[i] = forage_lm_half_to_float(halves[i]);
    return to.floats;
}
#undef _mm512_cvtepi32_ps
#undef _mm512_cvtepi8_epi32
#undef _mm512_cvtph_ps
#define _mm512_cvtepi32_ps floats_of_integers
#define _mm512_cvtepi8_epi32 integers_of_bytes
#define _mm512_cvtph_ps floats_of_halves
C
sed 's|#include <immintrin.h>|#include "avx512_translated.h"|' $kernels/lm_matmul_avx512.c > "$work/avx512.c"
$clang -w $flags -I"$work" -mavx2 -mfma -mf16c -DLM_AVX512_TARGET= -c "$work/avx512.c" -o "$work/avx512.o"
for name in $common lm_matmul_avx2; do $clang $flags -c $kernels/$name.c -o "$work/$name.o"; done
$clang $flags $here/kernel_variants.c "$work"/*.o -lm -lpthread -o "$work/x86"
echo -n "AVX-512, translated: "
"$work/x86"
rm "$work"/*.o

cat > "$work/neon.c" <<'C'
#include "lm_matmul_neon.c"
#define VARIANT(name, kernel) \
    void name(const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) { \
        if (lm_is_float(p->type)) lm_multiply_neon(a, p, first, last, scratch); \
        else kernel(a, p, first, last, scratch); \
    }
VARIANT(quantised_with_dot, quantised_dot)
VARIANT(quantised_without_dot, quantised_plain)
C
arm="$clang --target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include $flags"
for name in $common; do $arm -c $kernels/$name.c -o "$work/$name.o"; done
$arm -c "$work/neon.c" -o "$work/neon.o"
$arm -c $here/kernel_variants.c -o "$work/main.o"
aarch64-linux-gnu-gcc -static "$work"/*.o -lm -lpthread -o "$work/arm64"
echo -n "arm64, emulated: "
qemu-aarch64 -cpu max "$work/arm64"
