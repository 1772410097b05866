// SPDX-License-Identifier: Apache-2.0
// The part of poppler-glib that is used, loaded when the first PDF is read: poppler brings fifty libraries along, and most
// runs read none.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct forage_pdf forage_pdf;

/// Where a character stands on its page, in points from the upper left corner.
typedef struct {
    double x1, y1, x2, y2;
} forage_pdf_box;

typedef enum { FORAGE_PDF_TITLE, FORAGE_PDF_AUTHOR, FORAGE_PDF_SUBJECT, FORAGE_PDF_KEYWORDS } forage_pdf_property;

/// Why a PDF was not opened.
typedef enum { FORAGE_PDF_OK, FORAGE_PDF_ENCRYPTED, FORAGE_PDF_DAMAGED } forage_pdf_status;

/// Loads poppler-glib, once for the process. Returns 0 when it is not installed; nothing else here may be called then.
int forage_pdf_load(void);

/// Opens a PDF in memory, which must stay until it is closed. NULL, with the status set, when it cannot be opened.
forage_pdf *_Nullable forage_pdf_open(const void *_Nonnull bytes, size_t count, forage_pdf_status *_Nonnull status);
/// Opens the PDF of a file descriptor, which is closed in any case.
forage_pdf *_Nullable forage_pdf_open_descriptor(int descriptor, forage_pdf_status *_Nonnull status);
void forage_pdf_close(forage_pdf *_Nonnull pdf);

int forage_pdf_page_count(forage_pdf *_Nonnull pdf);
/// A text of the document's description, or NULL; the caller frees it.
char *_Nullable forage_pdf_text_property(forage_pdf *_Nonnull pdf, forage_pdf_property property);
/// When the document was made (0) or last changed (1), in seconds since 1970; -1 when it does not say.
int64_t forage_pdf_date(forage_pdf *_Nonnull pdf, int which);

/// The text of a page in reading order, as UTF-8, a box for each of its characters, and the page's height in points; the
/// caller frees text and boxes. Returns 0 when there is no such page.
int forage_pdf_page_text(forage_pdf *_Nonnull pdf, int page, char *_Nullable *_Nonnull text,
                         forage_pdf_box *_Nullable *_Nonnull boxes, size_t *_Nonnull count,
                         double *_Nonnull height);
/// Whether a page shows pictures.
int forage_pdf_page_has_images(forage_pdf *_Nonnull pdf, int page);

/// Takes a form field: its name and what is filled in.
typedef void (*forage_pdf_field)(void *_Nullable context, const char *_Nonnull name, const char *_Nonnull value);
/// Calls back with the filled form fields of a page.
void forage_pdf_page_fields(forage_pdf *_Nonnull pdf, int page, forage_pdf_field _Nonnull callback,
                            void *_Nullable context);

/// Takes a piece of an attached file; a call with no bytes begins a file. Returns 0 to go on to the next file.
typedef int (*forage_pdf_attachment)(void *_Nullable context, const char *_Nonnull name, const void *_Nullable bytes,
                                     size_t count);
/// Calls back with the files that are attached to the document.
void forage_pdf_attachments(forage_pdf *_Nonnull pdf, forage_pdf_attachment _Nonnull callback,
                            void *_Nullable context);
