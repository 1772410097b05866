// SPDX-License-Identifier: Apache-2.0
// libcurl, with one wrapper for each kind of argument of its variadic functions, which Swift cannot import.
#pragma once
#include <curl/curl.h>

static inline CURLcode forage_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode forage_curl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode forage_curl_set_string(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode forage_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode forage_curl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(handle, option, value);
}

typedef size_t (*forage_curl_write)(char *bytes, size_t size, size_t count, void *context);
static inline CURLcode forage_curl_set_write(CURL *handle, CURLoption option, forage_curl_write callback) {
    return curl_easy_setopt(handle, option, callback);
}
typedef int (*forage_curl_progress)(void *context, curl_off_t download_total, curl_off_t downloaded,
                                    curl_off_t upload_total, curl_off_t uploaded);
static inline CURLcode forage_curl_set_progress(CURL *handle, forage_curl_progress callback) {
    return curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, callback);
}
typedef curl_socket_t (*forage_curl_open_socket)(void *context, curlsocktype purpose, struct curl_sockaddr *address);
static inline CURLcode forage_curl_set_open_socket(CURL *handle, forage_curl_open_socket callback) {
    return curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, callback);
}
static inline CURLcode forage_curl_get_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}
static inline CURLcode forage_curl_get_string(CURL *handle, CURLINFO info, char **value) {
    return curl_easy_getinfo(handle, info, value);
}
