// SPDX-License-Identifier: Apache-2.0
// Archives and compressed files of every common kind, from the system's libarchive.
#pragma once
#include <archive.h>
#include <archive_entry.h>
