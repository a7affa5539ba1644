/* SPDX-License-Identifier: MIT */
/* What the codes of server and library mean to who calls a bag. */
#ifndef KEEL_PLUGINS_MYSQL_FAILURE_H
#define KEEL_PLUGINS_MYSQL_FAILURE_H

#include <keel/bag_plugin.h>

/* Codes of our own, beside those of the server and of libmariadb; 0: none. */
enum {
    KEEL_MYSQL_OVER = -1,      /* the deadline had passed before anything was sent */
    KEEL_MYSQL_TOO_LARGE = -2, /* the server would not take it */
    KEEL_MYSQL_NO_MEMORY = -3, /* to say it */
    KEEL_MYSQL_NO_BAG = -4,    /* the table is none */
    KEEL_MYSQL_NOT_DURABLE = -5
};

enum { KEEL_MYSQL_WORDS_SIZE = 160 };

/*
 * words           the server's, or libmariadb's; "": none
 * is_change       a change was handed over, and not answered
 * is_late, is_cancelled  it was ended by us, for that reason
 */
typedef struct keel_mysql_failure {
    const char *path;
    int code;
    const char *words;
    bool is_change;
    bool is_late;
    bool is_cancelled;
} keel_mysql_failure;

/* Returns the status, having filled in why. */
keel_status keel_mysql_failure_tell(const keel_mysql_failure *f, keel_detail *why);

/* Whether the connection it came by is worth another use. */
bool keel_mysql_is_clean(int code);

#endif
