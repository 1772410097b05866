// SPDX-License-Identifier: Apache-2.0

#ifndef FORAGE_CHILD_PROCESS_H
#define FORAGE_CHILD_PROCESS_H

#include <sys/types.h>

#if defined(__cplusplus)
extern "C" {
#endif

/// Starts a program in a process group of its own, with default signal handling and three pipes; it inherits no other
/// open file and no environment but the given one.
///
/// - path: the program.
/// - arguments, environment: ended by a null pointer.
/// - directory: where it runs; null for the current one.
/// - pipes: receives this process's ends: the program's input (to write), its output and its errors (to read).
/// Returns 0 and the process in pid, or an errno value, with nothing left open.
int forage_spawn(const char *_Nonnull path, char *_Nullable const *_Nonnull arguments,
                 char *_Nullable const *_Nonnull environment, const char *_Nullable directory, int *_Nonnull pipes,
                 pid_t *_Nonnull pid);

#if defined(__cplusplus)
}
#endif

#endif
