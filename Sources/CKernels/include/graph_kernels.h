// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

/// A neighbour that a row of the graph lacks.
#define FORAGE_NO_NEIGHBOUR UINT32_MAX

/// A hierarchical navigable small world graph (Malkov and Yashunin 2018) over vectors of int8 that share one scale, so
/// that similarities are integers. A view: of mapped memory for searches, of the builder's memory while it is built.
///
/// Nodes with the same code are one node of the graph, the first of them; the others hang on it in a chain. As nodes of
/// their own they would be as near to everything as each other, fill each other's rows and cut their group off.
typedef struct {
    const int8_t *_Nonnull codes;     ///< count rows of dimension bytes
    uint32_t *_Nonnull links;         ///< the lowest layer: count rows of 2 * width neighbours
    uint32_t *_Nonnull upper;         ///< the layers above: rows of width neighbours
    const uint32_t *_Nonnull upper_at; ///< for each node where its rows in `upper` start, in rows
    const uint8_t *_Nonnull levels;   ///< the highest layer of each node
    /// For each node the next one with the same code, a larger number; FORAGE_NO_NEIGHBOUR at the end of a chain. NULL
    /// where all codes differ.
    const uint32_t *_Nullable copies;
    uint32_t count;
    uint32_t dimension;
    uint32_t width;
    uint32_t entry;          ///< a node of the highest layer
} forage_graph;

/// A node that was found, with its similarity.
typedef struct {
    int32_t similarity;
    uint32_t node;
} forage_graph_hit;

/// Memory for the searches of one thread.
typedef struct forage_graph_scratch forage_graph_scratch;

/// For graphs of at most `count` nodes; NULL without memory.
forage_graph_scratch *_Nullable forage_graph_scratch_create(uint32_t count);
void forage_graph_scratch_free(forage_graph_scratch *_Nullable scratch);

/// The nodes most similar to a query of `dimension` int16 in -127...127, best first, ties by node.
///
/// - effort: how many of the best are kept while searching (ef); at least `limit` is used.
/// - members: one bit a node; only nodes with a bit are found, though all are passed through. NULL for all.
/// Returns how many were found, at most `limit`; UINT32_MAX when memory ran out.
uint32_t forage_graph_search(const forage_graph *_Nonnull graph, const int16_t *_Nonnull query, uint32_t effort,
                             const uint64_t *_Nullable members, uint32_t limit, forage_graph_hit *_Nonnull hits,
                             forage_graph_scratch *_Nonnull scratch);

/// Inserts a node, the first with its code, into a graph whose other nodes may be inserted by other threads at the same time.
///
/// - locks: one byte a node, zero at first.
/// - linked: nodes that can be reached; a node's own rows are empty (FORAGE_NO_NEIGHBOUR).
/// - entry: the current entry node; the caller takes the new node for it afterwards when its level is higher.
/// Returns 0 without memory.
int forage_graph_insert(const forage_graph *_Nonnull graph, uint32_t node, uint32_t entry, uint32_t effort,
                        uint8_t *_Nonnull locks, forage_graph_scratch *_Nonnull scratch);
