// SPDX-License-Identifier: Apache-2.0
// The part of GMime that is used, loaded when the first message is read.
#pragma once
#include <stddef.h>

/// Loads GMime, once for the process. Returns 0 when it is not installed; nothing else here may be called then.
int forage_mail_load(void);

/// A header field of the message, its value decoded to UTF-8.
typedef void (*forage_mail_header)(void *_Nullable context, const char *_Nonnull name, const char *_Nonnull value);

/// What a part of a message is.
typedef enum {
    FORAGE_MAIL_PLAIN,
    FORAGE_MAIL_HTML,
    /// A file, or another message when the type is message/rfc822.
    FORAGE_MAIL_FILE
} forage_mail_kind;

/// A part of the message, transfer encoding undone; `charset` is what a text says of its characters, or NULL. `alternative` is 1 for a part that says the same as the
/// part before it. Returns 0 to end the walk.
typedef int (*forage_mail_part)(void *_Nullable context, forage_mail_kind kind, const char *_Nonnull type,
                                const char *_Nullable charset, const char *_Nullable name, const void *_Nonnull bytes, size_t count, int alternative);

/// The parts of one message that are read.
enum { FORAGE_MAIL_PARTS = 1000 };

/// Takes one message apart. Returns 0 when the bytes are no message, 2 when parts of it were left out.
int forage_mail_read(const void *_Nonnull bytes, size_t count, forage_mail_header _Nonnull header,
                     forage_mail_part _Nonnull part, void *_Nullable context);

/// A date as mail writes it (RFC 5322 and its forerunners, asctime), as ISO 8601 with its offset; the caller frees it.
/// NULL for what is no date.
char *_Nullable forage_mail_date(const char *_Nonnull text);
