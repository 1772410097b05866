// SPDX-License-Identifier: Apache-2.0
#include "mail_library.h"
#include <library_loader.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// The declarations of GMime 3.0 and later that are used (its binary interface, libgmime-3.0.so.0), so that its headers and
// those of GLib need not be installed.
typedef struct {
    unsigned char *data;
    unsigned length;
} GByteArray;

static struct {
    void (*g_mime_init)(void);
    void *(*g_mime_stream_mem_new_with_buffer)(const char *, size_t);
    void *(*g_mime_stream_mem_new)(void);
    GByteArray *(*g_mime_stream_mem_get_byte_array)(void *);
    void *(*g_mime_parser_new_with_stream)(void *);
    void *(*g_mime_parser_construct_message)(void *, void *);
    void *(*g_mime_object_get_header_list)(void *);
    int (*g_mime_header_list_get_count)(void *);
    void *(*g_mime_header_list_get_header_at)(void *, int);
    const char *(*g_mime_header_get_name)(void *);
    const char *(*g_mime_header_get_value)(void *);
    void *(*g_mime_message_get_mime_part)(void *);
    void *(*g_mime_message_part_get_message)(void *);
    int (*g_mime_multipart_get_count)(void *);
    void *(*g_mime_multipart_get_part)(void *, int);
    void *(*g_mime_object_get_content_type)(void *);
    char *(*g_mime_content_type_get_mime_type)(void *);
    const char *(*g_mime_content_type_get_parameter)(void *, const char *);
    const char *(*g_mime_object_get_disposition)(void *);
    const char *(*g_mime_part_get_filename)(void *);
    void *(*g_mime_part_get_content)(void *);
    long (*g_mime_data_wrapper_write_to_stream)(void *, void *);
    long (*g_mime_object_write_to_stream)(void *, void *, void *);
    void *(*g_mime_utils_header_decode_date)(const char *);
    char *(*g_date_time_format)(void *, const char *);
    void (*g_date_time_unref)(void *);
    size_t (*g_mime_multipart_get_type)(void);
    size_t (*g_mime_message_part_get_type)(void);
    size_t (*g_mime_text_part_get_type)(void);
    size_t (*g_mime_part_get_type)(void);
    int (*g_type_check_instance_is_a)(void *, size_t);
    void (*g_object_unref)(void *);
    void (*g_free)(void *);
} library;

static const forage_library_function functions[] = {
#define FUNCTION(name) {#name, offsetof(__typeof__(library), name)}
    FUNCTION(g_mime_init),
    FUNCTION(g_mime_stream_mem_new_with_buffer),
    FUNCTION(g_mime_stream_mem_new),
    FUNCTION(g_mime_stream_mem_get_byte_array),
    FUNCTION(g_mime_parser_new_with_stream),
    FUNCTION(g_mime_parser_construct_message),
    FUNCTION(g_mime_object_get_header_list),
    FUNCTION(g_mime_header_list_get_count),
    FUNCTION(g_mime_header_list_get_header_at),
    FUNCTION(g_mime_header_get_name),
    FUNCTION(g_mime_header_get_value),
    FUNCTION(g_mime_message_get_mime_part),
    FUNCTION(g_mime_message_part_get_message),
    FUNCTION(g_mime_multipart_get_count),
    FUNCTION(g_mime_multipart_get_part),
    FUNCTION(g_mime_object_get_content_type),
    FUNCTION(g_mime_content_type_get_mime_type),
    FUNCTION(g_mime_content_type_get_parameter),
    FUNCTION(g_mime_object_get_disposition),
    FUNCTION(g_mime_part_get_filename),
    FUNCTION(g_mime_part_get_content),
    FUNCTION(g_mime_data_wrapper_write_to_stream),
    FUNCTION(g_mime_object_write_to_stream),
    FUNCTION(g_mime_utils_header_decode_date),
    FUNCTION(g_date_time_format),
    FUNCTION(g_date_time_unref),
    FUNCTION(g_mime_multipart_get_type),
    FUNCTION(g_mime_message_part_get_type),
    FUNCTION(g_mime_text_part_get_type),
    FUNCTION(g_mime_part_get_type),
    FUNCTION(g_type_check_instance_is_a),
    FUNCTION(g_object_unref),
    FUNCTION(g_free),
#undef FUNCTION
};

static int is_loaded = 0;

static void load(void) {
    static const char *const names[] = {
#if defined(__APPLE__)
        "libgmime-3.0.0.dylib",
#else
        "libgmime-3.0.so.0",
#endif
        NULL,
    };
    is_loaded = forage_library_load(names, functions, sizeof functions / sizeof *functions, &library);
    if (is_loaded) library.g_mime_init();
}

int forage_mail_load(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return is_loaded;
}

/// Levels of parts within parts that are looked into.
enum { DEPTH_LIMIT = 16 };

struct walk {
    forage_mail_part callback;
    void *context;
    int parts, is_cut;
};

static int is_a(void *object, size_t type) { return library.g_type_check_instance_is_a(object, type); }

/// Gives the bytes of a stream in memory to the caller's function.
static int give(struct walk *walk, void *stream, forage_mail_kind kind, const char *type, const char *charset,
                const char *name, int alternative) {
    GByteArray *bytes = library.g_mime_stream_mem_get_byte_array(stream);
    if (!bytes) return 1;
    return walk->callback(walk->context, kind, type, charset, name, bytes->data ? bytes->data : (unsigned char *)"",
                          bytes->length, alternative);
}

static int leaf(struct walk *walk, void *part, int alternative) {
    const char *name = library.g_mime_part_get_filename(part);
    const char *disposition = library.g_mime_object_get_disposition(part);
    void *content_type = library.g_mime_object_get_content_type(part);
    char *type = content_type ? library.g_mime_content_type_get_mime_type(content_type) : NULL;
    const char *known = type ? type : "application/octet-stream";
    int is_attached = (disposition && !strcasecmp(disposition, "attachment")) || name;
    int is_html = !strcasecmp(known, "text/html");
    int goes_on = 1;
    forage_mail_kind kind = FORAGE_MAIL_FILE;
    const char *charset = NULL;
    if (!is_attached && (is_html || !strncasecmp(known, "text/", 5)) &&
        is_a(part, library.g_mime_text_part_get_type())) {
        kind = is_html ? FORAGE_MAIL_HTML : FORAGE_MAIL_PLAIN;
        charset = content_type ? library.g_mime_content_type_get_parameter(content_type, "charset") : NULL;
    }
    void *content = library.g_mime_part_get_content(part);
    void *stream = content ? library.g_mime_stream_mem_new() : NULL;
    if (stream) {
        library.g_mime_data_wrapper_write_to_stream(content, stream);
        goes_on = give(walk, stream, kind, known, charset, name, alternative);
        library.g_object_unref(stream);
    }
    library.g_free(type);
    return goes_on;
}

static int visit(struct walk *walk, void *object, int depth, int alternative) {
    if (!object) return 1;
    if (depth > DEPTH_LIMIT || ++walk->parts > FORAGE_MAIL_PARTS) {
        walk->is_cut = 1;
        return 1;
    }
    if (is_a(object, library.g_mime_multipart_get_type())) {
        void *content_type = library.g_mime_object_get_content_type(object);
        char *type = content_type ? library.g_mime_content_type_get_mime_type(content_type) : NULL;
        int is_choice = type && !strcasecmp(type, "multipart/alternative");
        library.g_free(type);
        int count = library.g_mime_multipart_get_count(object);
        for (int i = 0; i < count; i++) {
            void *part = library.g_mime_multipart_get_part(object, i);
            if (!visit(walk, part, depth + 1, alternative || (is_choice && i > 0))) return 0;
        }
        return 1;
    }
    if (is_a(object, library.g_mime_message_part_get_type())) {
        void *message = library.g_mime_message_part_get_message(object);
        void *stream = message ? library.g_mime_stream_mem_new() : NULL;
        if (!stream) return 1;
        library.g_mime_object_write_to_stream(message, NULL, stream);
        int goes_on = give(walk, stream, FORAGE_MAIL_FILE, "message/rfc822", NULL, NULL, alternative);
        library.g_object_unref(stream);
        return goes_on;
    }
    if (is_a(object, library.g_mime_part_get_type())) return leaf(walk, object, alternative);
    return 1;
}

int forage_mail_read(const void *bytes, size_t count, forage_mail_header header, forage_mail_part part, void *context) {
    void *stream = library.g_mime_stream_mem_new_with_buffer(bytes, count);
    void *parser = library.g_mime_parser_new_with_stream(stream);
    void *message = library.g_mime_parser_construct_message(parser, NULL);
    library.g_object_unref(parser);
    library.g_object_unref(stream);
    if (!message) return 0;
    void *headers = library.g_mime_object_get_header_list(message);
    int fields = headers ? library.g_mime_header_list_get_count(headers) : 0;
    for (int i = 0; i < fields; i++) {
        void *field = library.g_mime_header_list_get_header_at(headers, i);
        const char *name = library.g_mime_header_get_name(field);
        const char *value = library.g_mime_header_get_value(field);
        if (name && value) header(context, name, value);
    }
    struct walk walk = {part, context, 0, 0};
    visit(&walk, library.g_mime_message_get_mime_part(message), 0, 0);
    library.g_object_unref(message);
    return walk.is_cut ? 2 : 1;
}

char *forage_mail_date(const char *text) {
    void *date = library.g_mime_utils_header_decode_date(text);
    if (!date) return NULL;
    char *made = library.g_date_time_format(date, "%Y-%m-%dT%H:%M:%S%:z");
    library.g_date_time_unref(date);
    size_t size = made ? strlen(made) + 1 : 0;
    char *copy = made ? malloc(size) : NULL;
    if (copy) memcpy(copy, made, size);
    library.g_free(made);
    return copy;
}
