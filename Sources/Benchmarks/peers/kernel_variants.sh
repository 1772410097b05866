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
common="lm_matmul lm_formats lm_pool"

# The float conversion is the one instruction that SIMDe lacks.
sed 's|#include <immintrin.h>|#define SIMDE_ENABLE_NATIVE_ALIASES\n#include <simde/x86/avx512.h>\nstatic inline __m512 convert16(__m512i x) { union { __m512i all; int one[16]; } from = {x}; union { __m512 all; float one[16]; } to; for (int i = 0; i < 16; i++) to.one[i] = (float)from.one[i]; return to.all; }\n#define _mm512_cvtepi32_ps convert16|' \
    $kernels/lm_matmul_avx512.c > "$work/avx512.c"
$clang -w $flags -mavx2 -mfma -mf16c -DLM_AVX512_TARGET= -c "$work/avx512.c" -o "$work/avx512.o"
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
