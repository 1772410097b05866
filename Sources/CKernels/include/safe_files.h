// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Opens a file beneath a folder without following a symbolic link on the way from the folder to the file, and without
/// leaving it. The folder itself may be a link: the caller named it.
///
/// Linux resolves the name in one step (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS); elsewhere, and where a
/// sandbox refuses that call, the parts are opened one by one with O_NOFOLLOW.
/// - name: relative, with parts between single slashes; `.` and `..` are refused.
/// - flags: as for open(2); O_CLOEXEC is added.
/// Returns the descriptor, or the negative of errno: ELOOP and EXDEV stand for a link or a way out.
int forage_open_beneath(const char *folder, const char *name, int flags, unsigned mode);

/// Notes that a file is mapped there. When a page of it is read that the file no longer has, because someone has
/// truncated it, the page reads as zeros from then on, instead of ending the process with SIGBUS; and the mapping
/// counts as torn.
/// Returns a number for the two functions below; -1 when there is no room, and the mapping is left as it was.
int forage_mapping_add(const void *start, size_t length);

/// Whether a page was missing.
int forage_mapping_is_torn(int mapping);

/// Forgets a mapping, before it is unmapped.
void forage_mapping_remove(int mapping);

/// How many pages were missing so far, in all mappings.
uint64_t forage_mapping_torn_pages(void);
