/* SPDX-License-Identifier: MIT */
/*
 * The table of codes. A statement is its own transaction, so one that a server answers with
 * an error has changed nothing, unless the error is that it could not be ended. Words of
 * the server are handed on only where they hold no value of the caller's.
 */
#include "failure.h"

#include <errmsg.h>
#include <errno.h>
#include <mysqld_error.h>
#include <stddef.h>

/* Of MySQL, and not in MariaDB's list. */
enum {
    ER_QUERY_TIMEOUT = 3024,
    ER_TRANSACTION_ROLLBACK_DURING_COMMIT = 3101,
};

typedef enum code_trait {
    CLOSES = 1,      /* nothing more is asked on that connection */
    LEAVES_DOUBT = 2 /* whether a change was made */
} code_trait;

/* sentence NULL: the words of server or library say it better */
typedef struct code_row {
    int code;
    keel_status status;
    unsigned traits;
    const char *sentence;
} code_row;

static const code_row rows[] = {
    { KEEL_MYSQL_OVER, KEEL_DEADLINE, 0, "the deadline had passed before" },
    { KEEL_MYSQL_TOO_LARGE, KEEL_E_TOO_LARGE, 0,
      "larger than a request that the server takes (max_allowed_packet)" },
    { KEEL_MYSQL_NO_MEMORY, KEEL_E_NOMEM, 0, "out of memory" },
    { KEEL_MYSQL_NO_BAG, KEEL_FAILED, CLOSES, NULL },
    { KEEL_MYSQL_NOT_DURABLE, KEEL_FAILED, CLOSES,
      "the server may lose what it acknowledged (innodb_flush_log_at_trx_commit), "
      "which "
      "durable=off allows" },

    { ER_LOCK_WAIT_TIMEOUT, KEEL_FAILED, 0, "others had the item locked for too long" },
    { ER_LOCK_DEADLOCK, KEEL_FAILED, 0, "a deadlock with others, undone" },
    { ER_STATEMENT_TIMEOUT, KEEL_DEADLINE, 0, "it was not done by the deadline" },
    { ER_QUERY_TIMEOUT, KEEL_DEADLINE, 0, "it was not done in the server's time" },
    { ER_QUERY_INTERRUPTED, KEEL_FAILED, 0, "interrupted by an operator" },
    { ER_TRANSACTION_ROLLBACK_DURING_COMMIT, KEEL_FAILED, 0, "undone by its group" },
    { ER_ERROR_DURING_COMMIT, KEEL_FAILED, CLOSES | LEAVES_DOUBT,
      "the server could not end it" },

    { ER_OPTION_PREVENTS_STATEMENT, KEEL_READ_ONLY, CLOSES, "the server is read-only" },
    { ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, KEEL_READ_ONLY, CLOSES,
      "the server is read-only" },
    { ER_READ_ONLY_MODE, KEEL_READ_ONLY, CLOSES, "the server is read-only" },
    { ER_OPEN_AS_READONLY, KEEL_READ_ONLY, CLOSES, "the server is read-only" },

    { ER_NET_PACKET_TOO_LARGE, KEEL_E_TOO_LARGE, CLOSES,
      "larger than a request that the server takes (max_allowed_packet)" },
    { ER_WARN_ALLOWED_PACKET_OVERFLOWED, KEEL_E_TOO_LARGE, 0,
      "larger than a value that the server takes (max_allowed_packet)" },
    { ER_BAD_NULL_ERROR, KEEL_E_TOO_LARGE, 0,
      "larger than a value that the server takes (max_allowed_packet)" },
    { ER_DATA_TOO_LONG, KEEL_E_TOO_LARGE, 0, "larger than its column" },

    { ER_DISK_FULL, KEEL_FAILED, 0, "the server's disk is full" },
    { ER_RECORD_FILE_FULL, KEEL_FAILED, 0, "the table is full" },
    { ER_NOT_KEYFILE, KEEL_CORRUPT, 0, NULL },
    { ER_INDEX_CORRUPT, KEEL_CORRUPT, 0, NULL },
    { ER_CRASHED_ON_USAGE, KEEL_CORRUPT, 0, NULL },

    { ER_CON_COUNT_ERROR, KEEL_THROTTLED, CLOSES,
      "the server has too many connections" },
    { ER_TOO_MANY_USER_CONNECTIONS, KEEL_THROTTLED, CLOSES,
      "the user has too many connections" },
    { ER_USER_LIMIT_REACHED, KEEL_THROTTLED, CLOSES, "the user's limit is reached" },

    { ER_ACCESS_DENIED_ERROR, KEEL_FAILED, CLOSES, NULL },
    { ER_ACCESS_DENIED_NO_PASSWORD_ERROR, KEEL_FAILED, CLOSES, NULL },
    { ER_DBACCESS_DENIED_ERROR, KEEL_FAILED, CLOSES, NULL },
    { ER_BAD_DB_ERROR, KEEL_FAILED, CLOSES, NULL },
    { ER_TABLEACCESS_DENIED_ERROR, KEEL_FAILED, 0, NULL },
    { ER_COLUMNACCESS_DENIED_ERROR, KEEL_FAILED, 0, NULL },
    { ER_NO_SUCH_TABLE, KEEL_FAILED, CLOSES, NULL },
    { ER_BAD_FIELD_ERROR, KEEL_FAILED, 0, NULL },
    { ER_HOST_IS_BLOCKED, KEEL_FAILED, CLOSES, NULL },
    { ER_HOST_NOT_PRIVILEGED, KEEL_FAILED, CLOSES, NULL },

    { ER_SERVER_SHUTDOWN, KEEL_FAILED, CLOSES | LEAVES_DOUBT, "the server goes down" },
    { ER_CONNECTION_KILLED, KEEL_FAILED, CLOSES | LEAVES_DOUBT,
      "the connection was ended by an operator" },
    { ER_UNKNOWN_ERROR, KEEL_FAILED, CLOSES | LEAVES_DOUBT,
      "the server does not know what is wrong" },

    /* it could not be sent whole, and no server begins with a part of it */
    { CR_SERVER_GONE_ERROR, KEEL_FAILED, CLOSES, "the connection was lost" },
    { CR_SERVER_LOST, KEEL_FAILED, CLOSES | LEAVES_DOUBT,
      "the connection was lost before the answer" },
    { CR_UNKNOWN_HOST, KEEL_FAILED, CLOSES, NULL },
    { CR_CONNECTION_ERROR, KEEL_FAILED, CLOSES, NULL },
    { CR_CONN_HOST_ERROR, KEEL_FAILED, CLOSES, NULL },
    { CR_SSL_CONNECTION_ERROR, KEEL_FAILED, CLOSES, NULL },
    { CR_AUTH_PLUGIN_CANNOT_LOAD, KEEL_FAILED, CLOSES, NULL },
    { CR_AUTH_PLUGIN_ERR, KEEL_FAILED, CLOSES, NULL },
    { CR_PLUGIN_NOT_ALLOWED, KEEL_FAILED, CLOSES, NULL },
};

/* Of libmariadb's own nothing is known but that it was not well. */
static const code_row client_row = {
    .status = KEEL_FAILED,
    .traits = CLOSES | LEAVES_DOUBT,
    .sentence = "the server's answer was not understood",
};
static const code_row server_row = {
    .status = KEEL_FAILED,
    .sentence = "the server refused it",
};

static const code_row *row_of(int code)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == code)
            return &rows[i];
    return (code >= CR_MIN_ERROR && code <= CR_MAX_ERROR) ||
                   (code >= CER_MIN_ERROR && code <= CER_MAX_ERROR)
               ? &client_row
               : &server_row;
}

bool keel_mysql_is_clean(int code)
{
    return !code || !(row_of(code)->traits & CLOSES);
}

static keel_status status_of(const keel_mysql_failure *f, const code_row *row)
{
    if (f->is_change && row->traits & LEAVES_DOUBT)
        return KEEL_UNKNOWN;
    if (f->is_cancelled)
        return KEEL_CANCELLED;
    return f->is_late ? KEEL_TIMEOUT : row->status;
}

static const char *sentence_of(const keel_mysql_failure *f, const code_row *row)
{
    if (f->is_cancelled)
        return "cancelled by the caller";
    if (f->is_late)
        return "no answer in time";
    return row->sentence ? row->sentence : f->words;
}

keel_status keel_mysql_failure_tell(const keel_mysql_failure *f, keel_detail *why)
{
    const code_row *row = row_of(f->code);
    keel_status status = status_of(f, row);
    keel_applied applied =
        status == KEEL_UNKNOWN ? KEEL_APPLIED_UNKNOWN : KEEL_APPLIED_NO;

    if (f->code > 0)
        keel_bag_fail(why, status, applied, f->path, "%s (MySQL's code %d)",
                      sentence_of(f, row), f->code);
    else
        keel_bag_fail(why, status, applied, f->path, "%s", sentence_of(f, row));
    if ((f->code == ER_DISK_FULL || f->code == ER_RECORD_FILE_FULL) && why &&
        why->size > offsetof(keel_detail, system_errno))
        why->system_errno = ENOSPC;
    return status;
}
