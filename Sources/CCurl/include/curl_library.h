// SPDX-License-Identifier: Apache-2.0
// The part of libcurl that is used, loaded when the first request is made: most runs make none, and libcurl brings thirty
// other libraries along. Variadic functions, which Swift cannot import, have a wrapper for each kind of argument.
#pragma once
#include <curl/curl.h>

/// Loads and starts libcurl, once for the process. Returns 0 when it is not installed; nothing else here may be called
/// then. From any thread.
int forage_curl_load(void);

CURLM *_Nullable forage_curl_multi_init(void);
CURLMcode forage_curl_multi_cleanup(CURLM *_Nullable multi);
CURLMcode forage_curl_multi_add(CURLM *_Nullable multi, CURL *_Nonnull handle);
CURLMcode forage_curl_multi_remove(CURLM *_Nullable multi, CURL *_Nonnull handle);
CURLMcode forage_curl_multi_perform(CURLM *_Nullable multi, int *_Nonnull running);
CURLMcode forage_curl_multi_poll(CURLM *_Nullable multi, int timeout_ms);
/// From any thread.
CURLMcode forage_curl_multi_wakeup(CURLM *_Nullable multi);
CURLMsg *_Nullable forage_curl_multi_info_read(CURLM *_Nullable multi, int *_Nonnull left);

CURL *_Nullable forage_curl_easy_init(void);
void forage_curl_easy_cleanup(CURL *_Nonnull handle);
const char *_Nonnull forage_curl_easy_strerror(CURLcode code);
struct curl_slist *_Nullable forage_curl_slist_append(struct curl_slist *_Nullable list, const char *_Nonnull line);
void forage_curl_slist_free_all(struct curl_slist *_Nullable list);

typedef size_t (*forage_curl_write)(char *_Nullable bytes, size_t size, size_t count, void *_Nullable context);
typedef curl_socket_t (*forage_curl_open_socket)(void *_Nullable context, curlsocktype purpose,
                                                 struct curl_sockaddr *_Nullable address);

CURLcode forage_curl_set_long(CURL *_Nonnull handle, CURLoption option, long value);
CURLcode forage_curl_set_offset(CURL *_Nonnull handle, CURLoption option, curl_off_t value);
CURLcode forage_curl_set_string(CURL *_Nonnull handle, CURLoption option, const char *_Nonnull value);
CURLcode forage_curl_set_pointer(CURL *_Nonnull handle, CURLoption option, void *_Nullable value);
CURLcode forage_curl_set_list(CURL *_Nonnull handle, CURLoption option, struct curl_slist *_Nullable value);
CURLcode forage_curl_set_write(CURL *_Nonnull handle, CURLoption option, forage_curl_write _Nonnull callback);
CURLcode forage_curl_set_open_socket(CURL *_Nonnull handle, forage_curl_open_socket _Nonnull callback);
