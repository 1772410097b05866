// SPDX-License-Identifier: Apache-2.0
#include "postgres_library.h"
#include <library_loader.h>

/// The functions, in the signatures of libpq 14 and later.
static struct {
    forage_pq_connection *(*connect_start)(const char *const *, const char *const *, int);
    int (*connect_poll)(forage_pq_connection *);
    void (*finish)(forage_pq_connection *);
    int (*status)(const forage_pq_connection *);
    int (*socket)(const forage_pq_connection *);
    const char *(*error)(const forage_pq_connection *);
    int (*transaction_status)(const forage_pq_connection *);
    int (*set_nonblocking)(forage_pq_connection *, int);
    int (*send)(forage_pq_connection *, const char *, int, const uint32_t *, const char *const *, const int *, const int *, int);
    int (*send_script)(forage_pq_connection *, const char *);
    int (*flush)(forage_pq_connection *);
    int (*consume)(forage_pq_connection *);
    int (*is_busy)(forage_pq_connection *);
    forage_pq_result *(*get_result)(forage_pq_connection *);
    int (*put_copy_data)(forage_pq_connection *, const char *, int);
    int (*put_copy_end)(forage_pq_connection *, const char *);
    int (*result_status)(const forage_pq_result *);
    const char *(*result_error)(const forage_pq_result *);
    const char *(*result_field)(const forage_pq_result *, int);
    const char *(*affected)(forage_pq_result *);
    int (*row_count)(const forage_pq_result *);
    int (*column_count)(const forage_pq_result *);
    uint32_t (*column_type)(const forage_pq_result *, int);
    int (*is_null)(const forage_pq_result *, int, int);
    int (*length)(const forage_pq_result *, int, int);
    const char *(*value)(const forage_pq_result *, int, int);
    void (*clear)(forage_pq_result *);
    forage_pq_cancel *(*get_cancel)(forage_pq_connection *);
    int (*cancel_query)(forage_pq_cancel *, char *, int);
    void (*free_cancel)(forage_pq_cancel *);
} library;

static const forage_library_function functions[] = {
#define FUNCTION(name, member) {#name, offsetof(__typeof__(library), member)}
    FUNCTION(PQconnectStartParams, connect_start),
    FUNCTION(PQconnectPoll, connect_poll),
    FUNCTION(PQfinish, finish),
    FUNCTION(PQstatus, status),
    FUNCTION(PQsocket, socket),
    FUNCTION(PQerrorMessage, error),
    FUNCTION(PQtransactionStatus, transaction_status),
    FUNCTION(PQsetnonblocking, set_nonblocking),
    FUNCTION(PQsendQueryParams, send),
    FUNCTION(PQsendQuery, send_script),
    FUNCTION(PQflush, flush),
    FUNCTION(PQconsumeInput, consume),
    FUNCTION(PQisBusy, is_busy),
    FUNCTION(PQgetResult, get_result),
    FUNCTION(PQputCopyData, put_copy_data),
    FUNCTION(PQputCopyEnd, put_copy_end),
    FUNCTION(PQresultStatus, result_status),
    FUNCTION(PQresultErrorMessage, result_error),
    FUNCTION(PQresultErrorField, result_field),
    FUNCTION(PQcmdTuples, affected),
    FUNCTION(PQntuples, row_count),
    FUNCTION(PQnfields, column_count),
    FUNCTION(PQftype, column_type),
    FUNCTION(PQgetisnull, is_null),
    FUNCTION(PQgetlength, length),
    FUNCTION(PQgetvalue, value),
    FUNCTION(PQclear, clear),
    FUNCTION(PQgetCancel, get_cancel),
    FUNCTION(PQcancel, cancel_query),
    FUNCTION(PQfreeCancel, free_cancel),
#undef FUNCTION
};

static int is_loaded = 0;

static void load(void) {
    static const char *const names[] = {
#if defined(__APPLE__)
        "libpq.5.dylib", "/opt/homebrew/opt/libpq/lib/libpq.5.dylib",
#else
        "libpq.so.5",
#endif
        NULL,
    };
    is_loaded = forage_library_load(names, functions, sizeof functions / sizeof *functions, &library);
}

int forage_pq_load(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return is_loaded;
}

forage_pq_connection *forage_pq_connect_start(const char *const * keywords, const char *const * values, int expand) { return library.connect_start(keywords, values, expand); }
int forage_pq_connect_poll(forage_pq_connection * connection) { return library.connect_poll(connection); }
void forage_pq_finish(forage_pq_connection * connection) { library.finish(connection); }
int forage_pq_status(const forage_pq_connection * connection) { return library.status(connection); }
int forage_pq_socket(const forage_pq_connection * connection) { return library.socket(connection); }
const char *forage_pq_error(const forage_pq_connection * connection) { return library.error(connection); }
int forage_pq_transaction_status(const forage_pq_connection * connection) { return library.transaction_status(connection); }
int forage_pq_set_nonblocking(forage_pq_connection * connection, int value) { return library.set_nonblocking(connection, value); }
int forage_pq_send(forage_pq_connection * connection, const char * sql, int count, const uint32_t * types, const char *const * values, const int * lengths, const int * formats, int result_format) { return library.send(connection, sql, count, types, values, lengths, formats, result_format); }
int forage_pq_send_script(forage_pq_connection * connection, const char * sql) { return library.send_script(connection, sql); }
int forage_pq_flush(forage_pq_connection * connection) { return library.flush(connection); }
int forage_pq_consume(forage_pq_connection * connection) { return library.consume(connection); }
int forage_pq_is_busy(forage_pq_connection * connection) { return library.is_busy(connection); }
forage_pq_result *forage_pq_get_result(forage_pq_connection * connection) { return library.get_result(connection); }
int forage_pq_put_copy_data(forage_pq_connection * connection, const char * bytes, int count) { return library.put_copy_data(connection, bytes, count); }
int forage_pq_put_copy_end(forage_pq_connection * connection, const char * error) { return library.put_copy_end(connection, error); }
int forage_pq_result_status(const forage_pq_result * result) { return library.result_status(result); }
const char *forage_pq_result_error(const forage_pq_result * result) { return library.result_error(result); }
const char *forage_pq_result_field(const forage_pq_result * result, int field) { return library.result_field(result, field); }
const char *forage_pq_affected(forage_pq_result * result) { return library.affected(result); }
int forage_pq_row_count(const forage_pq_result * result) { return library.row_count(result); }
int forage_pq_column_count(const forage_pq_result * result) { return library.column_count(result); }
uint32_t forage_pq_column_type(const forage_pq_result * result, int column) { return library.column_type(result, column); }
int forage_pq_is_null(const forage_pq_result * result, int row, int column) { return library.is_null(result, row, column); }
int forage_pq_length(const forage_pq_result * result, int row, int column) { return library.length(result, row, column); }
const char *forage_pq_value(const forage_pq_result * result, int row, int column) { return library.value(result, row, column); }
void forage_pq_clear(forage_pq_result * result) { library.clear(result); }
forage_pq_cancel *forage_pq_get_cancel(forage_pq_connection * connection) { return library.get_cancel(connection); }
int forage_pq_cancel_query(forage_pq_cancel * cancel, char * error, int size) { return library.cancel_query(cancel, error, size); }
void forage_pq_free_cancel(forage_pq_cancel * cancel) { library.free_cancel(cancel); }
