// SPDX-License-Identifier: Apache-2.0
// The types of tensors in model files: one line of this table each. Sizes, reading, writing and the products of every
// processor follow from it.
#pragma once

// TYPE(name, its number in GGUF files, weights of a block, bytes of a block, bits of a level, scales, zero)
//
// A quantised weight is scale * level + offset. The last three columns say where these lie:
//   bits    4 to 6: unsigned levels, laid out as llama.cpp does for 32 weights a block or 256; 8: signed bytes
//   scales  ONE       a half d before the levels; the offset is -zero * d
//           MINIMUM   halves d and m before the levels; the offset is m
//           SIX_BITS  of 256 weights: halves d and m and eight pairs of 6 bits, one for each 32 weights; -m * its second
//           HALVES    of 256 weights: a signed byte for each 16 weights, and a half d at the end; -zero * d * the byte
// A type with a new arrangement of levels or scales also needs that read in lm_blocks.h and by the vector kernels.
#define FORAGE_LM_FLOAT_TYPES(TYPE) \
    TYPE(F32, 0, 1, 4, 32, ONE, 0) \
    TYPE(F16, 1, 1, 2, 16, ONE, 0) \
    TYPE(BF16, 30, 1, 2, 16, ONE, 0)

#define FORAGE_LM_QUANTISED_TYPES(TYPE) \
    TYPE(Q4_0, 2, 32, 18, 4, ONE, 8) \
    TYPE(Q4_1, 3, 32, 20, 4, MINIMUM, 0) \
    TYPE(Q5_0, 6, 32, 22, 5, ONE, 16) \
    TYPE(Q5_1, 7, 32, 24, 5, MINIMUM, 0) \
    TYPE(Q8_0, 8, 32, 34, 8, ONE, 0) \
    TYPE(Q4_K, 12, 256, 144, 4, SIX_BITS, 0) \
    TYPE(Q5_K, 13, 256, 176, 5, SIX_BITS, 0) \
    TYPE(Q6_K, 14, 256, 210, 6, HALVES, 32)

#define FORAGE_LM_TYPES(TYPE) FORAGE_LM_FLOAT_TYPES(TYPE) FORAGE_LM_QUANTISED_TYPES(TYPE)

/// Weight types, numbered as in GGUF files.
typedef enum {
#define TYPE(name, number, ...) FORAGE_LM_##name = number,
    FORAGE_LM_TYPES(TYPE)
#undef TYPE
} forage_lm_type;
