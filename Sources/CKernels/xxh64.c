// SPDX-License-Identifier: Apache-2.0
// XXH64 as its specification has it (github.com/Cyan4973/xxHash, doc/xxhash_spec.md): four lanes of 8 bytes, then what is
// left by 8, 4 and 1. In C, because builds without optimisation hash whole models, too.
#include "xxh64.h"
#include <string.h>

static const uint64_t p1 = 0x9E3779B185EBCA87u, p2 = 0xC2B2AE3D27D4EB4Fu, p3 = 0x165667B19E3779F9u,
                      p4 = 0x85EBCA77C2B2AE63u, p5 = 0x27D4EB2F165667C5u;

static inline uint64_t rotate(uint64_t value, int bits) { return value << bits | value >> (64 - bits); }

static inline uint64_t step(uint64_t lane, uint64_t input) { return rotate(lane + input * p2, 31) * p1; }

// Bytes are little-endian; so is every processor that this builds for.
static inline uint64_t word(const uint8_t *p) {
    uint64_t value;
    memcpy(&value, p, 8);
    return value;
}

uint64_t forage_xxh64(const void *bytes, size_t count, uint64_t seed) {
    const uint8_t *p = bytes, *end = p + count;
    uint64_t hash;
    if (count >= 32) {
        uint64_t lanes[4] = {seed + p1 + p2, seed + p2, seed, seed - p1};
        for (; end - p >= 32; p += 32)
            for (int i = 0; i < 4; i++) lanes[i] = step(lanes[i], word(p + 8 * i));
        hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
        for (int i = 0; i < 4; i++) hash = (hash ^ step(0, lanes[i])) * p1 + p4;
    } else {
        hash = seed + p5;
    }
    hash += count;
    for (; end - p >= 8; p += 8) hash = rotate(hash ^ step(0, word(p)), 27) * p1 + p4;
    if (end - p >= 4) {
        uint32_t half;
        memcpy(&half, p, 4);
        hash = rotate(hash ^ half * p1, 23) * p2 + p3;
        p += 4;
    }
    for (; p < end; p++) hash = rotate(hash ^ *p * p5, 11) * p1;
    hash = (hash ^ hash >> 33) * p2;
    hash = (hash ^ hash >> 29) * p3;
    return hash ^ hash >> 32;
}
