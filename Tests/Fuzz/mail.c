// SPDX-License-Identifier: Apache-2.0
// Everything that MailDocument.swift asks of Sources/CMail.
#include "mail_library.h"
#include <stdint.h>
#include <string.h>

static size_t sum;

static void header(void *context, const char *name, const char *value) {
    (void)context;
    sum += strlen(name) + strlen(value);
}

static int part(void *context, forage_mail_kind kind, const char *type, const char *charset, const char *name,
                const void *bytes, size_t count, int alternative) {
    (void)context;
    sum += (size_t)kind + strlen(type) + (charset ? strlen(charset) : 0) + (name ? strlen(name) : 0) + (size_t)alternative;
    for (size_t i = 0; i < count; i++) sum += ((const unsigned char *)bytes)[i];
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!forage_mail_load() || size == 0) return -1;
    forage_mail_read(data, size, header, part, NULL);
    return 0;
}
