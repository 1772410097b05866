// SPDX-License-Identifier: Apache-2.0
// The files of Policies/ and Tools/ that the program carries, so that it works wherever it is started.
#pragma once
#include <stddef.h>

struct forage_bundled_file {
    /// The path from the repository's root, such as "Policies/hops.yaml".
    const char *_Nonnull path;
    const unsigned char *_Nonnull bytes;
    size_t count;
};

/// How many there are.
size_t forage_bundled_file_count(void);

/// One of them, by index, from 0.
struct forage_bundled_file forage_bundled_file_at(size_t index);
