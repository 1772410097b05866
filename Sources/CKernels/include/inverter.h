// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "keyword_kernels.h"

/// Turns passages of terms into sorted runs on disk, and merges runs into posting lists. Memory is bounded by the
/// number of postings that a run holds.
typedef struct forage_inverter forage_inverter;

/// An empty run; NULL without memory.
forage_inverter *_Nullable forage_inverter_create(void);
void forage_inverter_free(forage_inverter *_Nullable inverter);

/// Starts a passage; they come in ascending order.
void forage_inverter_begin(forage_inverter *_Nonnull inverter, uint32_t passage);

/// Counts a term of the passage, `units` times. Returns 0 without memory.
int forage_inverter_add(forage_inverter *_Nonnull inverter, const uint8_t *_Nullable bytes, size_t count,
                        uint32_t units);

/// Ends the passage. Returns 0 without memory.
int forage_inverter_end(forage_inverter *_Nonnull inverter);

/// The postings in the run.
size_t forage_inverter_postings(const forage_inverter *_Nonnull inverter);

/// Writes the run, sorted by term, to a file and empties it. Returns 0 or an errno value.
///
/// A record: the lengths of the term's bytes and of the postings' bytes and the number of postings as variable-length
/// numbers, the term, the postings as pairs (passage less the one before, less one; frequency less one).
int forage_inverter_write(forage_inverter *_Nonnull inverter, const char *_Nonnull path);

/// Merges runs that hold ascending ranges of passages.
typedef struct forage_run_merger forage_run_merger;

/// One term of the merge: valid until the next.
typedef struct {
    const uint8_t *_Nullable term;
    uint32_t term_length;
    uint32_t posting_count;
    const uint8_t *_Nullable postings; ///< as `forage_posting_encode` makes them
    uint64_t size;
} forage_merged_term;

/// - runs: the mapped bytes of each run, in the order of their passages.
forage_run_merger *_Nullable forage_run_merger_create(const uint8_t *_Nullable const *_Nonnull runs,
                                                      const uint64_t *_Nonnull sizes, uint32_t count,
                                                      const forage_norms *_Nonnull norms, float unit);
void forage_run_merger_free(forage_run_merger *_Nullable merger);

/// The next term in the order of bytes. Returns 1, 0 at the end, -1 without memory or when a run is damaged.
int forage_run_merger_next(forage_run_merger *_Nonnull merger, forage_merged_term *_Nonnull term);
