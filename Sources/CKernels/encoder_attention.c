// SPDX-License-Identifier: Apache-2.0
// Layer norm and self-attention. Attention of a head is two products with packed right sides (keys transposed, then
// values) and a softmax between them, done for a block of queries at a time so that the weights stay in cache.
#include "cpu_features.h"
#include "encoder_kernels.h"
#include "encoder_math.h"
#include <string.h>

#define QUERY_BLOCK 48

static size_t round_up(size_t x, size_t to) { return (x + to - 1) / to * to; }

static int has_avx2(void) {
    forage_cpu_level level = forage_cpu_get_level();
    return level == FORAGE_CPU_AVX2 || level == FORAGE_CPU_AVX512;
}

static void layer_norm_portable(const float *x, const float *residual, size_t rows, size_t width, const float *gain,
                                const float *shift, float epsilon, float *out) {
    for (size_t i = 0; i < rows; i++, x += width, out += width) {
        float sum = 0, square = 0;
        for (size_t j = 0; j < width; j++) {
            out[j] = x[j] + (residual ? residual[i * width + j] : 0);
            sum += out[j];
        }
        float mean = sum / (float)width;
        for (size_t j = 0; j < width; j++) square += (out[j] - mean) * (out[j] - mean);
        float scale = 1.0f / sqrtf(square / (float)width + epsilon);
        for (size_t j = 0; j < width; j++) out[j] = (out[j] - mean) * scale * gain[j] + shift[j];
    }
}

#if defined(__x86_64__)
FORAGE_AVX2 static void layer_norm_avx2(const float *x, const float *residual, size_t rows, size_t width,
                                        const float *gain, const float *shift, float epsilon, float *out) {
    for (size_t i = 0; i < rows; i++, x += width, out += width) {
        __m256 sum = _mm256_setzero_ps(), square = _mm256_setzero_ps();
        for (size_t j = 0; j < width; j += 8) {
            __m256 s = _mm256_loadu_ps(x + j);
            if (residual) s = _mm256_add_ps(s, _mm256_loadu_ps(residual + i * width + j));
            _mm256_storeu_ps(out + j, s);
            sum = _mm256_add_ps(sum, s);
        }
        __m256 mean = _mm256_set1_ps(forage_sum8(sum) / (float)width);
        for (size_t j = 0; j < width; j += 8) {
            __m256 d = _mm256_sub_ps(_mm256_loadu_ps(out + j), mean);
            square = _mm256_fmadd_ps(d, d, square);
        }
        __m256 scale = _mm256_set1_ps(1.0f / sqrtf(forage_sum8(square) / (float)width + epsilon));
        for (size_t j = 0; j < width; j += 8) {
            __m256 d = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(out + j), mean), scale);
            _mm256_storeu_ps(out + j, _mm256_fmadd_ps(d, _mm256_loadu_ps(gain + j), _mm256_loadu_ps(shift + j)));
        }
    }
}
#endif

void forage_layer_norm(const float *x, const float *residual, size_t rows, size_t width, const float *gain,
                       const float *shift, float epsilon, float *out) {
#if defined(__x86_64__)
    if (has_avx2() && width % 8 == 0) {
        layer_norm_avx2(x, residual, rows, width, gain, shift, epsilon, out);
        return;
    }
#endif
    layer_norm_portable(x, residual, rows, width, gain, shift, epsilon, out);
}

static void softmax_portable(float *row, size_t length, size_t padded) {
    float best = row[0], sum = 0;
    for (size_t j = 1; j < length; j++) best = row[j] > best ? row[j] : best;
    for (size_t j = 0; j < length; j++) sum += row[j] = expf(row[j] - best);
    for (size_t j = 0; j < length; j++) row[j] /= sum;
    for (size_t j = length; j < padded; j++) row[j] = 0;
}

#if defined(__x86_64__)
FORAGE_AVX2 static void softmax_avx2(float *row, size_t length, size_t padded) {
    // Columns beyond the length become the lowest number, whose exponential is cleared.
    for (size_t j = length; j < padded; j++) row[j] = -1e30f;
    __m256 best = _mm256_loadu_ps(row);
    for (size_t j = 8; j < padded; j += 8) best = _mm256_max_ps(best, _mm256_loadu_ps(row + j));
    __m256 highest = _mm256_set1_ps(forage_max8(best));
    __m256 sum = _mm256_setzero_ps();
    for (size_t j = 0; j < padded; j += 8) {
        __m256 e = forage_exp8(_mm256_sub_ps(_mm256_loadu_ps(row + j), highest));
        _mm256_storeu_ps(row + j, e);
        if (j + 8 <= length) sum = _mm256_add_ps(sum, e);
    }
    float total = forage_sum8(sum);
    for (size_t j = length & ~(size_t)7; j < length; j++) total += row[j];
    for (size_t j = length; j < padded; j++) row[j] = 0;
    __m256 scale = _mm256_set1_ps(1.0f / total);
    for (size_t j = 0; j < padded; j += 8) _mm256_storeu_ps(row + j, _mm256_mul_ps(_mm256_loadu_ps(row + j), scale));
}
#endif

static void softmax(float *row, size_t length, size_t padded) {
#if defined(__x86_64__)
    if (has_avx2()) {
        softmax_avx2(row, length, padded);
        return;
    }
#endif
    softmax_portable(row, length, padded);
}

size_t forage_attention_scratch(size_t length, size_t head_width) {
    size_t keys = round_up(length, FORAGE_PANEL) * head_width;
    size_t values = round_up(head_width, FORAGE_PANEL) * length;
    return keys + values + QUERY_BLOCK * round_up(length, FORAGE_PANEL);
}

void forage_attention(const float *qkv, size_t ldqkv, size_t length, size_t width, size_t head_width,
                      size_t first_head, size_t last_head, float *out, size_t ldout, float *scratch) {
    forage_attention_biased(qkv, ldqkv, length, width, head_width, first_head, last_head, NULL, length, out, ldout,
                            scratch);
}

void forage_attention_biased(const float *qkv, size_t ldqkv, size_t length, size_t width, size_t head_width,
                             size_t first_head, size_t last_head, const float *bias, size_t reach, float *out,
                             size_t ldout, float *scratch) {
    size_t padded = round_up(length, FORAGE_PANEL);
    size_t value_width = round_up(head_width, FORAGE_PANEL);
    float *keys = scratch, *values = keys + padded * head_width, *weights = values + value_width * length;
    for (size_t head = first_head; head < last_head; head++) {
        const float *q = qkv + head * head_width, *k = q + width, *v = k + width;
        forage_pack_f32(k, ldqkv, length, head_width, keys);
        for (size_t panel = 0; panel < value_width; panel += FORAGE_PANEL)
            for (size_t j = 0; j < length; j++) {
                float *target = values + panel * length + j * FORAGE_PANEL;
                size_t count = head_width - panel < FORAGE_PANEL ? head_width - panel : FORAGE_PANEL;
                memcpy(target, v + j * ldqkv + panel, count * sizeof(float));
                for (size_t rest = count; rest < FORAGE_PANEL; rest++) target[rest] = 0;
            }
        for (size_t first = 0; first < length; first += QUERY_BLOCK) {
            size_t rows = length - first < QUERY_BLOCK ? length - first : QUERY_BLOCK;
            forage_gemm_f32(q + first * ldqkv, ldqkv, rows, keys, padded, head_width, 0, padded / FORAGE_PANEL, NULL,
                            FORAGE_EPILOGUE_NONE, weights, padded);
            for (size_t i = 0; bias && i < rows; i++) {
                const float *own = bias + head * (2 * reach - 1) + reach - 1 - (first + i);
                for (size_t j = 0; j < length; j++) weights[i * padded + j] += own[j];
            }
            for (size_t i = 0; i < rows; i++) softmax(weights + i * padded, length, padded);
            forage_gemm_f32(weights, padded, rows, values, head_width, length, 0, value_width / FORAGE_PANEL, NULL,
                            FORAGE_EPILOGUE_NONE, out + first * ldout + head * head_width, ldout);
        }
    }
}
