// SPDX-License-Identifier: Apache-2.0
#include "decoder_kernels.h"
#include "training_math.h"
#include <math.h>

BODY rms_norm_forward_body(const float *x, size_t rows, size_t width, const float *gain, float epsilon,
                           float *restrict inverse, float *restrict out) {
    for (size_t i = 0; i < rows; i++) {
        SUMS
        const float *row = x + i * width;
        float square = 0;
        for (size_t j = 0; j < width; j++) square += row[j] * row[j];
        float scale = 1.0f / sqrtf(square / (float)width + epsilon);
        inverse[i] = scale;
        for (size_t j = 0; j < width; j++) out[i * width + j] = row[j] * scale * gain[j];
    }
}
TWICE(rms_norm_forward,
      (const float *x, size_t rows, size_t width, const float *gain, float epsilon, float *inverse, float *out),
      (x, rows, width, gain, epsilon, inverse, out))

BODY rms_norm_backward_body(const float *gradient, const float *x, const float *inverse, const float *gain, size_t rows,
                            size_t width, float *restrict dx, float *restrict dgain) {
    for (size_t i = 0; i < rows; i++) {
        SUMS
        const float *g = gradient + i * width, *row = x + i * width;
        float along = 0, scale = inverse[i];
        for (size_t j = 0; j < width; j++) along += g[j] * gain[j] * row[j];
        along *= scale * scale / (float)width;
        for (size_t j = 0; j < width; j++) dx[i * width + j] += scale * (g[j] * gain[j] - along * row[j]);
        if (dgain)
            for (size_t j = 0; j < width; j++) dgain[j] += g[j] * row[j] * scale;
    }
}
TWICE(rms_norm_backward,
      (const float *gradient, const float *x, const float *inverse, const float *gain, size_t rows, size_t width,
       float *dx, float *dgain),
      (gradient, x, inverse, gain, rows, width, dx, dgain))

BODY gate_forward_body(const float *gate, const float *up, size_t count, float *restrict out) {
    for (size_t i = 0; i < count; i++) out[i] = gate[i] / (1.0f + exponential(-gate[i])) * up[i];
}
TWICE(gate_forward, (const float *gate, const float *up, size_t count, float *out), (gate, up, count, out))

BODY gate_backward_body(const float *gate, const float *up, const float *gradient, size_t count, float *restrict dgate,
                        float *restrict dup) {
    for (size_t i = 0; i < count; i++) {
        float sigmoid = 1.0f / (1.0f + exponential(-gate[i]));
        float silu = gate[i] * sigmoid;
        dgate[i] = gradient[i] * up[i] * (sigmoid + silu * (1.0f - sigmoid));
        dup[i] = gradient[i] * silu;
    }
}
TWICE(gate_backward,
      (const float *gate, const float *up, const float *gradient, size_t count, float *dgate, float *dup),
      (gate, up, gradient, count, dgate, dup))

BODY rotate_body(float *x, size_t rows, size_t ld, size_t heads, size_t head_size, size_t rotary, int interleaved,
                 const float *cosines, const float *sines, float direction) {
    size_t half = rotary / 2, step = interleaved ? 2 : 1, apart = interleaved ? 1 : half;
    for (size_t row = 0; row < rows; row++) {
        const float *c = cosines + row * half, *s = sines + row * half;
        for (size_t head = 0; head < heads; head++) {
            float *numbers = x + row * ld + head * head_size;
            for (size_t i = 0; i < half; i++) {
                float first = numbers[i * step], second = numbers[i * step + apart], sine = direction * s[i];
                numbers[i * step] = first * c[i] - second * sine;
                numbers[i * step + apart] = first * sine + second * c[i];
            }
        }
    }
}
TWICE(rotate,
      (float *x, size_t rows, size_t ld, size_t heads, size_t head_size, size_t rotary, int interleaved,
       const float *cosines, const float *sines, float direction),
      (x, rows, ld, heads, head_size, rotary, interleaved, cosines, sines, direction))

INLINE largest(const float *x, size_t count) {
    float lanes[8], best = -INFINITY;
    size_t whole = count & ~(size_t)7;
    for (size_t lane = 0; lane < 8; lane++) lanes[lane] = -INFINITY;
    for (size_t j = 0; j < whole; j += 8)
        for (size_t lane = 0; lane < 8; lane++) lanes[lane] = x[j + lane] > lanes[lane] ? x[j + lane] : lanes[lane];
    for (size_t lane = 0; lane < 8; lane++) best = lanes[lane] > best ? lanes[lane] : best;
    for (size_t j = whole; j < count; j++) best = x[j] > best ? x[j] : best;
    return best;
}

BODY softmax_causal_body(float *x, size_t rows, size_t first, size_t columns, size_t ld, float scale) {
    for (size_t i = 0; i < rows; i++) {
        SUMS
        float *row = x + i * ld, sum = 0;
        size_t length = first + i + 1;
        float best = largest(row, length);
        for (size_t j = 0; j < length; j++) row[j] = exponential(scale * (row[j] - best));
        for (size_t j = 0; j < length; j++) sum += row[j];
        float factor = 1.0f / sum;
        for (size_t j = 0; j < length; j++) row[j] *= factor;
        for (size_t j = length; j < columns; j++) row[j] = 0;
    }
}
TWICE(softmax_causal, (float *x, size_t rows, size_t first, size_t columns, size_t ld, float scale),
      (x, rows, first, columns, ld, scale))

BODY target_log_probabilities_body(const float *logits, size_t rows, size_t count, const int32_t *targets,
                                   float *restrict log_probabilities, float *restrict log_sums,
                                   float *restrict entropies) {
    for (size_t i = 0; i < rows; i++) {
        SUMS
        const float *row = logits + i * count;
        float best = largest(row, count);
        // Sums of blocks, so that a vocabulary's length costs no digits.
        double sum = 0, weighted = 0;
        for (size_t start = 0; start < count; start += 1024) {
            size_t end = start + 1024 < count ? start + 1024 : count;
            float part = 0, along = 0;
            for (size_t j = start; j < end; j++) {
                float shifted = row[j] - best, weight = exponential(shifted);
                part += weight;
                along += weight * shifted;
            }
            sum += (double)part;
            weighted += (double)along;
        }
        double total = log(sum);
        log_sums[i] = best + (float)total;
        log_probabilities[i] = (float)((double)(row[targets[i]] - best) - total);
        entropies[i] = (float)(total - weighted / sum);
    }
}
TWICE(target_log_probabilities,
      (const float *logits, size_t rows, size_t count, const int32_t *targets, float *log_probabilities,
       float *log_sums, float *entropies),
      (logits, rows, count, targets, log_probabilities, log_sums, entropies))

BODY target_gradient_body(float *logits, size_t rows, size_t count, const int32_t *targets, const float *log_sums,
                          const float *pulls) {
    for (size_t i = 0; i < rows; i++) {
        float *row = logits + i * count, shift = log_sums[i], pull = pulls[i];
        for (size_t j = 0; j < count; j++) row[j] = -pull * exponential(row[j] - shift);
        row[targets[i]] += pull;
    }
}
TWICE(target_gradient,
      (float *logits, size_t rows, size_t count, const int32_t *targets, const float *log_sums, const float *pulls),
      (logits, rows, count, targets, log_sums, pulls))
