// SPDX-License-Identifier: Apache-2.0
#include "curl_library.h"
#include <library_loader.h>
#include <stddef.h>

/// The functions, in the signatures of libcurl 7.68 and later.
static struct {
    CURLcode (*global_init)(long);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_cleanup)(CURLM *);
    CURLMcode (*multi_add_handle)(CURLM *, CURL *);
    CURLMcode (*multi_remove_handle)(CURLM *, CURL *);
    CURLMcode (*multi_perform)(CURLM *, int *);
    CURLMcode (*multi_poll)(CURLM *, struct curl_waitfd *, unsigned, int, int *);
    CURLMcode (*multi_wakeup)(CURLM *);
    CURLMsg *(*multi_info_read)(CURLM *, int *);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *);
    const char *(*easy_strerror)(CURLcode);
    CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
    struct curl_slist *(*slist_append)(struct curl_slist *, const char *);
    void (*slist_free_all)(struct curl_slist *);
} library;

static const forage_library_function functions[] = {
#define FUNCTION(name) {"curl_" #name, offsetof(__typeof__(library), name)}
    FUNCTION(global_init),         FUNCTION(multi_init),    FUNCTION(multi_cleanup),   FUNCTION(multi_add_handle),
    FUNCTION(multi_remove_handle), FUNCTION(multi_perform), FUNCTION(multi_poll),      FUNCTION(multi_wakeup),
    FUNCTION(multi_info_read),     FUNCTION(easy_init),     FUNCTION(easy_cleanup),    FUNCTION(easy_strerror),
    FUNCTION(easy_setopt),         FUNCTION(slist_append),  FUNCTION(slist_free_all),
#undef FUNCTION
};

static int is_loaded = 0;

static void load(void) {
    static const char *const names[] = {
#if defined(__APPLE__)
        "libcurl.4.dylib", "/usr/lib/libcurl.4.dylib",
#else
        "libcurl.so.4", "libcurl-gnutls.so.4",
#endif
        NULL,
    };
    is_loaded = forage_library_load(names, functions, sizeof functions / sizeof *functions, &library)
        && library.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

int forage_curl_load(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return is_loaded;
}

CURLM *forage_curl_multi_init(void) { return library.multi_init(); }
CURLMcode forage_curl_multi_cleanup(CURLM *multi) { return library.multi_cleanup(multi); }
CURLMcode forage_curl_multi_add(CURLM *multi, CURL *handle) { return library.multi_add_handle(multi, handle); }
CURLMcode forage_curl_multi_remove(CURLM *multi, CURL *handle) { return library.multi_remove_handle(multi, handle); }
CURLMcode forage_curl_multi_perform(CURLM *multi, int *running) { return library.multi_perform(multi, running); }
CURLMcode forage_curl_multi_poll(CURLM *multi, int timeout_ms) {
    return library.multi_poll(multi, NULL, 0, timeout_ms, NULL);
}
CURLMcode forage_curl_multi_wakeup(CURLM *multi) { return library.multi_wakeup(multi); }
CURLMsg *forage_curl_multi_info_read(CURLM *multi, int *left) { return library.multi_info_read(multi, left); }

CURL *forage_curl_easy_init(void) { return library.easy_init(); }
void forage_curl_easy_cleanup(CURL *handle) { library.easy_cleanup(handle); }
const char *forage_curl_easy_strerror(CURLcode code) { return library.easy_strerror(code); }
struct curl_slist *forage_curl_slist_append(struct curl_slist *list, const char *line) {
    return library.slist_append(list, line);
}
void forage_curl_slist_free_all(struct curl_slist *list) { library.slist_free_all(list); }

CURLcode forage_curl_set_long(CURL *handle, CURLoption option, long value) {
    return library.easy_setopt(handle, option, value);
}
CURLcode forage_curl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
    return library.easy_setopt(handle, option, value);
}
CURLcode forage_curl_set_string(CURL *handle, CURLoption option, const char *value) {
    return library.easy_setopt(handle, option, value);
}
CURLcode forage_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return library.easy_setopt(handle, option, value);
}
CURLcode forage_curl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
    return library.easy_setopt(handle, option, value);
}
CURLcode forage_curl_set_write(CURL *handle, CURLoption option, forage_curl_write callback) {
    return library.easy_setopt(handle, option, callback);
}
CURLcode forage_curl_set_open_socket(CURL *handle, forage_curl_open_socket callback) {
    return library.easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, callback);
}
