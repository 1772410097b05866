// SPDX-License-Identifier: Apache-2.0
// Everything that PDFDocument.swift asks of Sources/CPoppler.
#include "pdf_library.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void field(void *context, const char *name, const char *value) {
    *(size_t *)context += strlen(name) + strlen(value);
}

static int attachment(void *context, const char *name, const void *bytes, size_t count) {
    size_t sum = strlen(name);
    for (size_t i = 0; i < count; i++) sum += ((const unsigned char *)bytes)[i];
    *(size_t *)context += sum;
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!forage_pdf_load() || size == 0) return -1;
    forage_pdf_status status = FORAGE_PDF_OK;
    forage_pdf *pdf = forage_pdf_open(data, size, &status);
    if (!pdf) return 0;
    size_t sum = 0;
    for (int property = FORAGE_PDF_TITLE; property <= FORAGE_PDF_KEYWORDS; property++) {
        char *text = forage_pdf_text_property(pdf, (forage_pdf_property)property);
        if (text) sum += strlen(text);
        free(text);
    }
    sum += (size_t)(forage_pdf_date(pdf, 0) + forage_pdf_date(pdf, 1));
    int pages = forage_pdf_page_count(pdf);
    for (int page = 0; page < pages && page < 4; page++) {
        char *text = NULL;
        forage_pdf_box *boxes = NULL;
        size_t count = 0;
        double height = 0;
        if (forage_pdf_page_text(pdf, page, &text, &boxes, &count, &height) && text) {
            sum += strlen(text) + (height > 0);
            for (size_t i = 0; i < count; i++) sum += boxes[i].x1 < boxes[i].x2;
        }
        free(text);
        free(boxes);
        sum += (size_t)forage_pdf_page_has_images(pdf, page);
        forage_pdf_page_fields(pdf, page, field, &sum);
    }
    forage_pdf_attachments(pdf, attachment, &sum);
    forage_pdf_close(pdf);
    return sum == 1 ? -1 : 0;
}
