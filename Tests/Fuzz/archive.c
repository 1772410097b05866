// SPDX-License-Identifier: Apache-2.0
// What Archive.swift asks of libarchive, in the same order and with the same formats.
#include <archive.h>
#include <archive_entry.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct archive *handle = archive_read_new();
    if (!handle) return -1;
    archive_read_support_filter_all(handle);
    archive_read_support_format_zip(handle);
    archive_read_support_format_tar(handle);
    archive_read_support_format_gnutar(handle);
    archive_read_support_format_7zip(handle);
    archive_read_support_format_raw(handle);
    size_t sum = 0, unpacked = 0;
    if (archive_read_open_memory(handle, data, size) == ARCHIVE_OK) {
        struct archive_entry *entry;
        int members = 0, result;
        while ((result = archive_read_next_header(handle, &entry)) == ARCHIVE_OK || result == ARCHIVE_WARN) {
            if (++members > 1000 || unpacked > 8 << 20) break;
            const char *name = archive_entry_pathname_utf8(entry);
            if (!name) name = archive_entry_pathname(entry);
            sum += name ? strlen(name) : 0;
            sum += (size_t)archive_entry_filetype(entry) + (archive_entry_hardlink(entry) != NULL);
            sum += (size_t)archive_entry_is_encrypted(entry) + (size_t)archive_entry_size_is_set(entry);
            char piece[1 << 16];
            la_ssize_t count;
            while ((count = archive_read_data(handle, piece, sizeof piece)) > 0 && unpacked < 8 << 20) {
                unpacked += (size_t)count;
                for (la_ssize_t i = 0; i < count; i += 512) sum += (unsigned char)piece[i];
            }
            if (count < 0) break;
        }
    }
    archive_read_free(handle);
    return sum == 1 ? -1 : 0;
}
