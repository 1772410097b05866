// SPDX-License-Identifier: Apache-2.0
// The part of libpq that is used, loaded when the first connection is made: most runs make none. From libpq 14 on
// (Debian's libpq5); its headers need not be installed.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct forage_pq_connection forage_pq_connection;
typedef struct forage_pq_result forage_pq_result;
typedef struct forage_pq_cancel forage_pq_cancel;

/// Loads libpq, once for the process. Returns 0 when it is not installed; nothing else here may be called then.
int forage_pq_load(void);

enum { FORAGE_PQ_OK = 0, FORAGE_PQ_BAD = 1 };
enum { FORAGE_PQ_POLLING_FAILED = 0, FORAGE_PQ_POLLING_READING = 1, FORAGE_PQ_POLLING_WRITING = 2, FORAGE_PQ_POLLING_OK = 3 };
enum {
    FORAGE_PQ_EMPTY_QUERY = 0,
    FORAGE_PQ_COMMAND_OK = 1,
    FORAGE_PQ_TUPLES_OK = 2,
    FORAGE_PQ_COPY_OUT = 3,
    FORAGE_PQ_COPY_IN = 4,
};
#define FORAGE_PQ_FIELD_SQLSTATE 'C'

forage_pq_connection *_Nullable forage_pq_connect_start(const char *const _Nullable *_Nonnull keywords,
                                                        const char *const _Nullable *_Nonnull values, int expand);
int forage_pq_connect_poll(forage_pq_connection *_Nonnull connection);
void forage_pq_finish(forage_pq_connection *_Nullable connection);
int forage_pq_status(const forage_pq_connection *_Nonnull connection);
int forage_pq_socket(const forage_pq_connection *_Nonnull connection);
const char *_Nonnull forage_pq_error(const forage_pq_connection *_Nonnull connection);
/// 0 while no transaction is open.
int forage_pq_transaction_status(const forage_pq_connection *_Nonnull connection);
int forage_pq_set_nonblocking(forage_pq_connection *_Nonnull connection, int value);
int forage_pq_send(forage_pq_connection *_Nonnull connection, const char *_Nonnull sql, int count,
                   const uint32_t *_Nullable types, const char *const _Nullable *_Nullable values,
                   const int *_Nullable lengths, const int *_Nullable formats, int result_format);
int forage_pq_send_script(forage_pq_connection *_Nonnull connection, const char *_Nonnull sql);
int forage_pq_flush(forage_pq_connection *_Nonnull connection);
int forage_pq_consume(forage_pq_connection *_Nonnull connection);
int forage_pq_is_busy(forage_pq_connection *_Nonnull connection);
forage_pq_result *_Nullable forage_pq_get_result(forage_pq_connection *_Nonnull connection);
int forage_pq_put_copy_data(forage_pq_connection *_Nonnull connection, const char *_Nonnull bytes, int count);
int forage_pq_put_copy_end(forage_pq_connection *_Nonnull connection, const char *_Nullable error);
int forage_pq_result_status(const forage_pq_result *_Nullable result);
const char *_Nonnull forage_pq_result_error(const forage_pq_result *_Nullable result);
const char *_Nullable forage_pq_result_field(const forage_pq_result *_Nullable result, int field);
const char *_Nonnull forage_pq_affected(forage_pq_result *_Nonnull result);
int forage_pq_row_count(const forage_pq_result *_Nonnull result);
int forage_pq_column_count(const forage_pq_result *_Nonnull result);
uint32_t forage_pq_column_type(const forage_pq_result *_Nonnull result, int column);
int forage_pq_is_null(const forage_pq_result *_Nonnull result, int row, int column);
int forage_pq_length(const forage_pq_result *_Nonnull result, int row, int column);
const char *_Nonnull forage_pq_value(const forage_pq_result *_Nonnull result, int row, int column);
void forage_pq_clear(forage_pq_result *_Nullable result);
forage_pq_cancel *_Nullable forage_pq_get_cancel(forage_pq_connection *_Nonnull connection);
int forage_pq_cancel_query(forage_pq_cancel *_Nonnull cancel, char *_Nonnull error, int size);
void forage_pq_free_cancel(forage_pq_cancel *_Nullable cancel);
