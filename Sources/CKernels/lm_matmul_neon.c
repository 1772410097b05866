// SPDX-License-Identifier: Apache-2.0
// arm64 products. Quantised weights: panels of sixteen rows (lm_blocks.h), with the 8-bit dot instruction where the
// processor has it. Float weights: eight lanes over k, as in the other variants.
#include "lm_blocks.h"
#if defined(__aarch64__)
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

#define LM_NEON(name) name##_plain
#define LM_NEON_TARGET
/// Levels are at most 127 in size, so that a sum of two products fits 16 bits.
static inline __attribute__((always_inline)) int32x4_t dot_plain16(int32x4_t sum, int8x16_t w, int8x16_t x) {
    int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(x)), high = vmull_high_s8(w, x);
    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
}
#define LM_NEON_DOT(sum, w, x, lane) \
    dot_plain16(sum, w, vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(x), lane)))
#include "lm_neon_kernel.h"
#undef LM_NEON
#undef LM_NEON_TARGET
#undef LM_NEON_DOT

#define LM_NEON(name) name##_dot
#define LM_NEON_TARGET __attribute__((target("+dotprod")))
#define LM_NEON_DOT(sum, w, x, lane) vdotq_laneq_s32(sum, w, x, lane)
#include "lm_neon_kernel.h"

static int has_dot(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & (1UL << 20)) != 0; // HWCAP_ASIMDDP
#elif defined(__APPLE__)
    return 1; // every arm64 processor of that system has it
#else
    return 0;
#endif
}

/// Four float weights from column k.
static inline __attribute__((always_inline)) float32x4_t floats4(int type, const uint8_t *row, size_t k) {
    if (type == FORAGE_LM_F16) return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(row + 2 * k)));
    if (type == FORAGE_LM_BF16)
        return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(row + 2 * k)), 16));
    return vreinterpretq_f32_u8(vld1q_u8(row + 4 * k));
}

/// `rows` rows (1 or 4) of floats by one token.
static inline __attribute__((always_inline)) void float_rows(
    int type, int rows, const uint8_t *w, size_t stride, const forage_lm_activations *a, int token,
    const forage_lm_product *p, int row) {
    size_t columns = (size_t)a->columns, whole = columns / 8 * 8;
    const float *x = a->x + (size_t)token * columns;
    float32x4_t low[4], high[4];
    for (int r = 0; r < rows; r++) low[r] = high[r] = vdupq_n_f32(0);
    for (size_t k = 0; k < whole; k += 8) {
        float32x4_t x0 = vld1q_f32(x + k), x1 = vld1q_f32(x + k + 4);
        for (int r = 0; r < rows; r++) {
            const uint8_t *at = w + (size_t)r * stride;
            low[r] = vfmaq_f32(low[r], floats4(type, at, k), x0);
            high[r] = vfmaq_f32(high[r], floats4(type, at, k + 4), x1);
        }
    }
    for (int r = 0; r < rows; r++) {
        if (whole < columns) {
            float weight[8] = {0}, v[8] = {0};
            for (size_t k = whole; k < columns; k++) {
                weight[k - whole] = lm_float_weight(type, w + (size_t)r * stride, k);
                v[k - whole] = x[k];
            }
            low[r] = vfmaq_f32(low[r], vld1q_f32(weight), vld1q_f32(v));
            high[r] = vfmaq_f32(high[r], vld1q_f32(weight + 4), vld1q_f32(v + 4));
        }
        float32x4_t four = vaddq_f32(low[r], high[r]);
        float total = (vgetq_lane_f32(four, 0) + vgetq_lane_f32(four, 2)) +
                      (vgetq_lane_f32(four, 1) + vgetq_lane_f32(four, 3));
        p->out[(ptrdiff_t)token * p->out_stride + row + r] = total + (p->bias ? p->bias[row + r] : 0);
    }
}

static inline __attribute__((always_inline)) void multiply_floats(
    int type, const forage_lm_activations *a, const forage_lm_product *p, int first, int last) {
    size_t stride = (size_t)a->columns * (size_t)lm_block_bytes(type);
    const uint8_t *weights = p->weights;
    int r = first;
    for (; r + 4 <= last; r += 4)
        for (int t = 0; t < a->rows; t++) float_rows(type, 4, weights + (size_t)r * stride, stride, a, t, p, r);
    for (; r < last; r++)
        for (int t = 0; t < a->rows; t++) float_rows(type, 1, weights + (size_t)r * stride, stride, a, t, p, r);
}

#define MULTIPLY_FLOATS(name, number, ...) \
    case number: multiply_floats(number, a, p, first, last); break;

void lm_multiply_neon(
    const forage_lm_activations *a, const forage_lm_product *p, int first, int last, uint8_t *scratch) {
    static int dot = -1; // a lost race writes the same value
    int known = __atomic_load_n(&dot, __ATOMIC_RELAXED);
    if (known < 0) {
        known = has_dot();
        __atomic_store_n(&dot, known, __ATOMIC_RELAXED);
    }
    switch (p->type) {
        FORAGE_LM_FLOAT_TYPES(MULTIPLY_FLOATS)
    default:
        if (known) quantised_dot(a, p, first, last, scratch);
        else quantised_plain(a, p, first, last, scratch);
    }
}
#endif
