// SPDX-License-Identifier: Apache-2.0
// Matrices of a file laid out as panels of sixteen rows (lm_blocks.h): done once when a model is opened, so that neither
// one token nor many have anything to transpose.
#if !defined(_DEFAULT_SOURCE) // anonymous mappings are no part of the C standard's headers
#define _DEFAULT_SOURCE
#endif
#include "lm_blocks.h"
#include <sys/mman.h>

void *forage_lm_panel_memory(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (memory == MAP_FAILED) return NULL;
#if defined(MADV_HUGEPAGE)
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return memory;
}

void forage_lm_panel_memory_free(void *memory, size_t bytes) { (void)munmap(memory, bytes); }

size_t forage_lm_packed_bytes(int type, int rows, int columns) {
    if (!lm_is_packed(type) || lm_block_weights(type) == 0) return 0;
    return (size_t)((rows + 15) / 16) * lm_panel_bytes(type, columns);
}

LM_INLINE void pack_levels(int type, const uint8_t *row, int b, uint8_t *out) {
    uint8_t q[32];
    uint32_t group[8];
    const int bits = lm_level_bits(type);
    lm_block_levels(type, row, b, q);
    memcpy(group, q, 32);
    if (bits == 8) {
        for (int g = 0; g < 8; g++) memcpy(out + 64 * g, group + g, 4);
        return;
    }
    for (int g = 0; g < 4; g++) {
        uint32_t both = (group[g] & 0x0F0F0F0F) | (group[g + 4] & 0x0F0F0F0F) << 4;
        memcpy(out + 64 * g, &both, 4);
    }
    if (bits == 5) {
        uint32_t top = 0;
        for (int g = 0; g < 8; g++) top |= (group[g] >> 4 & 0x01010101) << g;
        memcpy(out + 256, &top, 4);
    } else if (bits == 6) {
        for (int side = 0; side < 2; side++) {
            uint32_t top = 0;
            for (int j = 0; j < 4; j++) top |= (group[4 * side + j] >> 4 & 0x03030303) << (2 * j);
            memcpy(out + 256 + 64 * side, &top, 4);
        }
    }
}

LM_INLINE void pack_scales(int type, const uint8_t *block, uint8_t *out, int row) {
    if (lm_groups(type) == 2) {
        memcpy(out + 2 * row, block + 208, 2);
        for (int i = 0; i < 16; i++) out[32 + 16 * i + row] = block[192 + i];
        return;
    }
    memcpy(out + 2 * row, block, 2);
    if (lm_has_minimum(type) || lm_is_super(type)) memcpy(out + 32 + 2 * row, block + 2, 2);
    if (lm_is_super(type))
        for (int i = 0; i < 3; i++) memcpy(out + 64 + 64 * i + 4 * row, block + 4 + 4 * i, 4);
}

LM_INLINE void pack_panels(
    int type, const uint8_t *source, int rows, int columns, uint8_t *out, int first, int last) {
    int blocks = columns / 32, per = lm_block_weights(type) / 32;
    size_t stride = (size_t)(blocks / per) * (size_t)lm_block_bytes(type), bytes = lm_panel_bytes(type, columns);
    for (int panel = first; panel < last; panel++) {
        uint8_t *to = out + (size_t)panel * bytes;
        // Rows past the end stay zeros; their results are not stored.
        if (rows - panel * 16 < 16) memset(to, 0, bytes);
        for (int r = 0; r < 16 && panel * 16 + r < rows; r++) {
            const uint8_t *row = source + (size_t)(panel * 16 + r) * stride;
            for (int b = 0; b < blocks; b++) {
                pack_levels(type, row, b, to + (size_t)b * lm_panel_level_bytes(type) + 4 * r);
                if (b % per == 0)
                    pack_scales(type, lm_block(type, row, b), (uint8_t *)lm_panel_scales(type, to, blocks, b), r);
            }
        }
    }
}

typedef struct {
    int type, rows, columns, chunk, panels;
    const uint8_t *source;
    uint8_t *out;
} pack_job;

static void pack_chunk(void *context, int index, int worker) {
    (void)worker;
    const pack_job *j = context;
    int first = index * j->chunk, last = first + j->chunk < j->panels ? first + j->chunk : j->panels;
#define PACK(name, number, ...) \
    case number: pack_panels(number, j->source, j->rows, j->columns, j->out, first, last); break;
    switch (j->type) {
        FORAGE_LM_QUANTISED_TYPES(PACK)
    default: break;
    }
#undef PACK
}

void forage_lm_pack(forage_pool *pool, int type, const void *source, int rows, int columns, void *out) {
    pack_job job = {type, rows, columns, 8, (rows + 15) / 16, source, out};
    forage_pool_run(pool, (job.panels + job.chunk - 1) / job.chunk, pack_chunk, &job);
}
