// SPDX-License-Identifier: Apache-2.0
#include "pdf_library.h"
#include <library_loader.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The declarations of poppler-glib 0.82 and later that are used (its binary interface, libpoppler-glib.so.8), so that its
// headers and those of GLib and Cairo need not be installed.
typedef struct {
    uint32_t domain;
    int code;
    char *message;
} GError;
typedef struct GList {
    void *data;
    struct GList *next, *previous;
} GList;
typedef struct {
    struct {
        void *class;
        unsigned references;
        void *data;
    } parent;
    char *name;
} Attachment;
typedef struct {
    forage_pdf_box area;
    void *field;
} FormFieldMapping;
enum { POPPLER_ERROR_ENCRYPTED = 1 };
enum { FIELD_BUTTON = 1, FIELD_TEXT = 2, FIELD_CHOICE = 3 };

static struct {
    void *(*poppler_document_new_from_bytes)(void *, const char *, GError **);
    void *(*poppler_document_new_from_fd)(int, const char *, GError **);
    int (*poppler_document_get_n_pages)(void *);
    void *(*poppler_document_get_page)(void *, int);
    char *(*poppler_document_get_title)(void *);
    char *(*poppler_document_get_author)(void *);
    char *(*poppler_document_get_subject)(void *);
    char *(*poppler_document_get_keywords)(void *);
    long (*poppler_document_get_creation_date)(void *);
    long (*poppler_document_get_modification_date)(void *);
    GList *(*poppler_document_get_attachments)(void *);
    int (*poppler_attachment_save_to_callback)(void *, int (*)(const char *, size_t, void *, GError **), void *,
                                               GError **);
    void (*poppler_page_get_size)(void *, double *, double *);
    char *(*poppler_page_get_text)(void *);
    int (*poppler_page_get_text_layout)(void *, forage_pdf_box **, unsigned *);
    GList *(*poppler_page_get_image_mapping)(void *);
    void (*poppler_page_free_image_mapping)(GList *);
    GList *(*poppler_page_get_form_field_mapping)(void *);
    void (*poppler_page_free_form_field_mapping)(GList *);
    int (*poppler_form_field_get_field_type)(void *);
    char *(*poppler_form_field_get_name)(void *);
    char *(*poppler_form_field_text_get_text)(void *);
    int (*poppler_form_field_button_get_state)(void *);
    int (*poppler_form_field_choice_get_n_items)(void *);
    int (*poppler_form_field_choice_is_item_selected)(void *, int);
    char *(*poppler_form_field_choice_get_item)(void *, int);
    void *(*g_bytes_new_static)(const void *, size_t);
    void (*g_bytes_unref)(void *);
    void (*g_object_unref)(void *);
    void (*g_error_free)(GError *);
    void (*g_list_free)(GList *);
    void (*g_free)(void *);
} library;

static const forage_library_function functions[] = {
#define FUNCTION(name) {#name, offsetof(__typeof__(library), name)}
    FUNCTION(poppler_document_new_from_bytes),
    FUNCTION(poppler_document_new_from_fd),
    FUNCTION(poppler_document_get_n_pages),
    FUNCTION(poppler_document_get_page),
    FUNCTION(poppler_document_get_title),
    FUNCTION(poppler_document_get_author),
    FUNCTION(poppler_document_get_subject),
    FUNCTION(poppler_document_get_keywords),
    FUNCTION(poppler_document_get_creation_date),
    FUNCTION(poppler_document_get_modification_date),
    FUNCTION(poppler_document_get_attachments),
    FUNCTION(poppler_attachment_save_to_callback),
    FUNCTION(poppler_page_get_size),
    FUNCTION(poppler_page_get_text),
    FUNCTION(poppler_page_get_text_layout),
    FUNCTION(poppler_page_get_image_mapping),
    FUNCTION(poppler_page_free_image_mapping),
    FUNCTION(poppler_page_get_form_field_mapping),
    FUNCTION(poppler_page_free_form_field_mapping),
    FUNCTION(poppler_form_field_get_field_type),
    FUNCTION(poppler_form_field_get_name),
    FUNCTION(poppler_form_field_text_get_text),
    FUNCTION(poppler_form_field_button_get_state),
    FUNCTION(poppler_form_field_choice_get_n_items),
    FUNCTION(poppler_form_field_choice_is_item_selected),
    FUNCTION(poppler_form_field_choice_get_item),
    FUNCTION(g_bytes_new_static),
    FUNCTION(g_bytes_unref),
    FUNCTION(g_object_unref),
    FUNCTION(g_error_free),
    FUNCTION(g_list_free),
    FUNCTION(g_free),
#undef FUNCTION
};

static int is_loaded = 0;

static void load(void) {
    static const char *const names[] = {
#if defined(__APPLE__)
        "libpoppler-glib.8.dylib",
#else
        "libpoppler-glib.so.8",
#endif
        NULL,
    };
    is_loaded = forage_library_load(names, functions, sizeof functions / sizeof *functions, &library);
}

int forage_pdf_load(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return is_loaded;
}

struct forage_pdf {
    void *document;
    void *bytes;
};

static forage_pdf *opened(void *document, void *bytes, GError *error, forage_pdf_status *status) {
    *status = FORAGE_PDF_OK;
    forage_pdf *pdf = document ? calloc(1, sizeof *pdf) : NULL;
    if (pdf) {
        pdf->document = document;
        pdf->bytes = bytes;
    } else {
        *status = error && error->code == POPPLER_ERROR_ENCRYPTED ? FORAGE_PDF_ENCRYPTED : FORAGE_PDF_DAMAGED;
        if (document) library.g_object_unref(document);
        if (bytes) library.g_bytes_unref(bytes);
    }
    if (error) library.g_error_free(error);
    return pdf;
}

forage_pdf *forage_pdf_open(const void *bytes, size_t count, forage_pdf_status *status) {
    GError *error = NULL;
    void *held = library.g_bytes_new_static(bytes, count);
    return opened(library.poppler_document_new_from_bytes(held, NULL, &error), held, error, status);
}

forage_pdf *forage_pdf_open_descriptor(int descriptor, forage_pdf_status *status) {
    GError *error = NULL;
    return opened(library.poppler_document_new_from_fd(descriptor, NULL, &error), NULL, error, status);
}

void forage_pdf_close(forage_pdf *pdf) {
    library.g_object_unref(pdf->document);
    if (pdf->bytes) library.g_bytes_unref(pdf->bytes);
    free(pdf);
}

int forage_pdf_page_count(forage_pdf *pdf) { return library.poppler_document_get_n_pages(pdf->document); }

/// A copy of a text of GLib's, which is freed.
static char *taken(char *text) {
    if (!text) return NULL;
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    if (copy) memcpy(copy, text, size);
    library.g_free(text);
    return copy;
}

char *forage_pdf_text_property(forage_pdf *pdf, forage_pdf_property property) {
    switch (property) {
    case FORAGE_PDF_TITLE: return taken(library.poppler_document_get_title(pdf->document));
    case FORAGE_PDF_AUTHOR: return taken(library.poppler_document_get_author(pdf->document));
    case FORAGE_PDF_SUBJECT: return taken(library.poppler_document_get_subject(pdf->document));
    case FORAGE_PDF_KEYWORDS: return taken(library.poppler_document_get_keywords(pdf->document));
    }
    return NULL;
}

int64_t forage_pdf_date(forage_pdf *pdf, int which) {
    return which == 0 ? library.poppler_document_get_creation_date(pdf->document)
                      : library.poppler_document_get_modification_date(pdf->document);
}

int forage_pdf_page_text(forage_pdf *pdf, int number, char **text, forage_pdf_box **boxes, size_t *count,
                         double *height) {
    *text = NULL;
    *boxes = NULL;
    *count = 0;
    *height = 0;
    void *page = library.poppler_document_get_page(pdf->document, number);
    if (!page) return 0;
    double width = 0;
    library.poppler_page_get_size(page, &width, height);
    *text = taken(library.poppler_page_get_text(page));
    forage_pdf_box *rectangles = NULL;
    unsigned found = 0;
    if (library.poppler_page_get_text_layout(page, &rectangles, &found) && rectangles) {
        *boxes = malloc(sizeof **boxes * found);
        if (*boxes) {
            memcpy(*boxes, rectangles, sizeof **boxes * found);
            *count = found;
        }
        library.g_free(rectangles);
    }
    library.g_object_unref(page);
    return 1;
}

int forage_pdf_page_has_images(forage_pdf *pdf, int number) {
    void *page = library.poppler_document_get_page(pdf->document, number);
    if (!page) return 0;
    GList *images = library.poppler_page_get_image_mapping(page);
    library.poppler_page_free_image_mapping(images);
    library.g_object_unref(page);
    return images != NULL;
}

static void choices(void *field, const char *name, forage_pdf_field callback, void *context) {
    int count = library.poppler_form_field_choice_get_n_items(field);
    for (int i = 0; i < count; i++) {
        if (!library.poppler_form_field_choice_is_item_selected(field, i)) continue;
        char *item = library.poppler_form_field_choice_get_item(field, i);
        if (item) callback(context, name, item);
        library.g_free(item);
    }
}

void forage_pdf_page_fields(forage_pdf *pdf, int number, forage_pdf_field callback, void *context) {
    void *page = library.poppler_document_get_page(pdf->document, number);
    if (!page) return;
    GList *mappings = library.poppler_page_get_form_field_mapping(page);
    for (GList *place = mappings; place; place = place->next) {
        void *field = ((FormFieldMapping *)place->data)->field;
        char *name = library.poppler_form_field_get_name(field);
        if (!name) continue;
        switch (library.poppler_form_field_get_field_type(field)) {
        case FIELD_TEXT: {
            char *text = library.poppler_form_field_text_get_text(field);
            if (text && *text) callback(context, name, text);
            library.g_free(text);
            break;
        }
        case FIELD_BUTTON:
            if (library.poppler_form_field_button_get_state(field)) callback(context, name, "yes");
            break;
        case FIELD_CHOICE: choices(field, name, callback, context); break;
        }
        library.g_free(name);
    }
    library.poppler_page_free_form_field_mapping(mappings);
    library.g_object_unref(page);
}

struct saving {
    forage_pdf_attachment callback;
    void *context;
    const char *name;
};

static int save(const char *bytes, size_t count, void *data, GError **error) {
    (void)error;
    struct saving *saving = data;
    return saving->callback(saving->context, saving->name, bytes, count);
}

void forage_pdf_attachments(forage_pdf *pdf, forage_pdf_attachment callback, void *context) {
    GList *list = library.poppler_document_get_attachments(pdf->document);
    for (GList *place = list; place; place = place->next) {
        Attachment *attachment = place->data;
        struct saving saving = {callback, context, attachment->name ? attachment->name : "attachment"};
        if (callback(context, saving.name, NULL, 0)) {
            // What stops the saving says so by itself; GLib's error would only be noise.
            library.poppler_attachment_save_to_callback(attachment, save, &saving, NULL);
        }
        library.g_object_unref(attachment);
    }
    library.g_list_free(list);
}
