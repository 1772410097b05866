// SPDX-License-Identifier: Apache-2.0
#include "training_kernels.h"
#include "training_math.h"
#include <math.h>

// erf on [-4, 4] as an odd rational function (minimax); beyond it erf is ±1 in single precision.
INLINE error_function(float x) {
    x = x < -4.0f ? -4.0f : x;
    x = x > 4.0f ? 4.0f : x;
    float s = x * x;
    float p = -2.72614225801306e-10f;
    p = p * s + 2.77068142495902e-08f;
    p = p * s - 2.10102402082508e-06f;
    p = p * s - 5.69250639462346e-05f;
    p = p * s - 7.34990630326855e-04f;
    p = p * s - 2.95459980854025e-03f;
    p = p * s - 1.60960333262415e-02f;
    float q = -1.45660718464996e-05f;
    q = q * s - 2.13374055278905e-04f;
    q = q * s - 1.68282697438203e-03f;
    q = q * s - 7.37332916720468e-03f;
    q = q * s - 1.42647390514189e-02f;
    return p * x / q;
}

BODY norm_forward_body(const float *x, size_t rows, size_t width, const float *gain, const float *shift, float epsilon,
                       float *restrict normal, float *restrict inverse, float *restrict out) {
    for (size_t i = 0; i < rows; i++) {
        SUMS
        const float *row = x + i * width;
        float sum = 0, square = 0;
        for (size_t j = 0; j < width; j++) sum += row[j];
        float mean = sum / (float)width;
        for (size_t j = 0; j < width; j++) square += (row[j] - mean) * (row[j] - mean);
        float scale = 1.0f / sqrtf(square / (float)width + epsilon);
        inverse[i] = scale;
        for (size_t j = 0; j < width; j++) {
            float unit = (row[j] - mean) * scale;
            normal[i * width + j] = unit;
            out[i * width + j] = unit * gain[j] + shift[j];
        }
    }
}
TWICE(norm_forward,
      (const float *x, size_t rows, size_t width, const float *gain, const float *shift, float epsilon, float *normal,
       float *inverse, float *out),
      (x, rows, width, gain, shift, epsilon, normal, inverse, out))

BODY norm_backward_body(const float *gradient, const float *normal, const float *inverse, const float *gain,
                        size_t rows, size_t width, float *restrict dx, float *restrict dgain, float *restrict dshift) {
    for (size_t i = 0; i < rows; i++) {
        SUMS
        const float *g = gradient + i * width, *unit = normal + i * width;
        float total = 0, along = 0;
        for (size_t j = 0; j < width; j++) {
            float d = g[j] * gain[j];
            total += d;
            along += d * unit[j];
        }
        total /= (float)width;
        along /= (float)width;
        for (size_t j = 0; j < width; j++)
            dx[i * width + j] = inverse[i] * (g[j] * gain[j] - total - unit[j] * along);
        if (dgain)
            for (size_t j = 0; j < width; j++) dgain[j] += g[j] * unit[j];
        if (dshift)
            for (size_t j = 0; j < width; j++) dshift[j] += g[j];
    }
}
TWICE(norm_backward,
      (const float *gradient, const float *normal, const float *inverse, const float *gain, size_t rows, size_t width,
       float *dx, float *dgain, float *dshift),
      (gradient, normal, inverse, gain, rows, width, dx, dgain, dshift))

BODY activation_forward_body(const float *x, size_t count, forage_activation activation, float *restrict out) {
    if (activation == FORAGE_ACTIVATION_RELU) {
        for (size_t i = 0; i < count; i++) out[i] = x[i] > 0 ? x[i] : 0;
    } else {
        for (size_t i = 0; i < count; i++) out[i] = 0.5f * x[i] * (1.0f + error_function(x[i] * 0.70710678118654752f));
    }
}
TWICE(activation_forward, (const float *x, size_t count, forage_activation activation, float *out),
      (x, count, activation, out))

BODY activation_backward_body(const float *x, const float *gradient, size_t count, forage_activation activation,
                              float *out) {
    if (activation == FORAGE_ACTIVATION_RELU) {
        for (size_t i = 0; i < count; i++) out[i] = x[i] > 0 ? gradient[i] : 0;
    } else {
        for (size_t i = 0; i < count; i++) {
            float cumulative = 0.5f * (1.0f + error_function(x[i] * 0.70710678118654752f));
            float density = 0.39894228040143268f * exponential(-0.5f * x[i] * x[i]);
            out[i] = gradient[i] * (cumulative + x[i] * density);
        }
    }
}
TWICE(activation_backward,
      (const float *x, const float *gradient, size_t count, forage_activation activation, float *out),
      (x, gradient, count, activation, out))

BODY softmax_rows_body(float *x, size_t rows, size_t length, size_t ld, float scale) {
    for (size_t i = 0; i < rows; i++) {
        SUMS
        float *row = x + i * ld;
        float lanes[8], sum = 0;
        for (size_t lane = 0; lane < 8; lane++) lanes[lane] = -INFINITY;
        size_t whole = length & ~(size_t)7;
        for (size_t j = 0; j < whole; j += 8)
            for (size_t lane = 0; lane < 8; lane++)
                lanes[lane] = row[j + lane] > lanes[lane] ? row[j + lane] : lanes[lane];
        float best = -INFINITY;
        for (size_t lane = 0; lane < 8; lane++) best = lanes[lane] > best ? lanes[lane] : best;
        for (size_t j = whole; j < length; j++) best = row[j] > best ? row[j] : best;
        for (size_t j = 0; j < length; j++) row[j] = exponential(scale * (row[j] - best));
        for (size_t j = 0; j < length; j++) sum += row[j];
        float factor = 1.0f / sum;
        for (size_t j = 0; j < length; j++) row[j] *= factor;
        for (size_t j = length; j < ld; j++) row[j] = 0;
    }
}
TWICE(softmax_rows, (float *x, size_t rows, size_t length, size_t ld, float scale), (x, rows, length, ld, scale))

BODY softmax_rows_backward_body(const float *p, float *restrict gradient, size_t rows, size_t length, size_t ld,
                                float scale) {
    for (size_t i = 0; i < rows; i++) {
        SUMS
        const float *weights = p + i * ld;
        float *row = gradient + i * ld;
        float along = 0;
        for (size_t j = 0; j < length; j++) along += weights[j] * row[j];
        for (size_t j = 0; j < length; j++) row[j] = scale * weights[j] * (row[j] - along);
        for (size_t j = length; j < ld; j++) row[j] = 0;
    }
}
TWICE(softmax_rows_backward, (const float *p, float *gradient, size_t rows, size_t length, size_t ld, float scale),
      (p, gradient, rows, length, ld, scale))

void forage_fill_rows(const float *bias, size_t rows, size_t width, float *out, size_t ld) {
    for (size_t i = 0; i < rows; i++) memcpy(out + i * ld, bias, width * sizeof(float));
}

BODY add_column_sums_body(const float *x, size_t rows, size_t width, size_t ld, float *restrict out) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < width; j++) out[j] += x[i * ld + j];
}
TWICE(add_column_sums, (const float *x, size_t rows, size_t width, size_t ld, float *out), (x, rows, width, ld, out))

BODY drop_body(float *x, size_t count, uint32_t seed, float rate) {
    uint32_t threshold = (uint32_t)((double)rate * 4294967296.0);
    float scale = 1.0f / (1.0f - rate);
    for (size_t i = 0; i < count; i++) {
        // The index mixed as xxHash32 mixes its last words.
        uint32_t h = (uint32_t)i * 0x9E3779B1u + seed;
        h ^= h >> 15;
        h *= 0x85EBCA77u;
        h ^= h >> 13;
        h *= 0xC2B2AE3Du;
        h ^= h >> 16;
        x[i] = h < threshold ? 0.0f : x[i] * scale;
    }
}
TWICE(drop, (float *x, size_t count, uint32_t seed, float rate), (x, count, seed, rate))

BODY scale_rows_i8_body(const int8_t *x, const float *scales, size_t rows, size_t width, float *restrict out) {
    for (size_t row = 0; row < rows; row++)
        for (size_t i = row * width; i < (row + 1) * width; i++) out[i] = (float)x[i] * scales[row];
}
TWICE(scale_rows_i8, (const int8_t *x, const float *scales, size_t rows, size_t width, float *out),
      (x, scales, rows, width, out))

BODY add_scaled_body(const float *from, size_t count, float factor, float *restrict to) {
    for (size_t i = 0; i < count; i++) to[i] += factor * from[i];
}
TWICE(add_scaled, (const float *from, size_t count, float factor, float *to), (from, count, factor, to))

BODY adam_body(float *restrict weights, const float *gradient, float *restrict mean, float *restrict square,
               size_t count, float rate, float beta1, float beta2, float epsilon, float decay, float correction1,
               float correction2) {
    for (size_t i = 0; i < count; i++) {
        float g = gradient[i];
        mean[i] += (1 - beta1) * (g - mean[i]);
        square[i] += (1 - beta2) * (g * g - square[i]);
        float direction = mean[i] / correction1 / (__builtin_elementwise_sqrt(square[i] / correction2) + epsilon);
        weights[i] -= rate * (direction + decay * weights[i]);
    }
}
TWICE(adam,
      (float *weights, const float *gradient, float *mean, float *square, size_t count, float rate, float beta1,
       float beta2, float epsilon, float decay, float correction1, float correction2),
      (weights, gradient, mean, square, count, rate, beta1, beta2, epsilon, decay, correction1, correction2))
