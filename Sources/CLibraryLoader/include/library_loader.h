// SPDX-License-Identifier: Apache-2.0
// System libraries that most runs do not need are loaded when they are first used: a program then starts without them, and
// runs where they are not installed.
#pragma once
#include <pthread.h>
#include <stddef.h>

/// A function of a library, and where its address goes in the table of those that are used.
typedef struct {
    const char *_Nonnull name;
    size_t place;
} forage_library_function;

/// Loads the first of these libraries that is there, and the addresses of the functions into the table.
/// - libraries: names as dlopen takes them, with NULL at the end.
/// Returns 0 when there is no such library, or one without one of the functions; then none of them may be called.
int forage_library_load(const char *_Nullable const *_Nonnull libraries, const forage_library_function *_Nonnull functions,
                        size_t count, void *_Nonnull table);
