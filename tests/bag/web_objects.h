/* SPDX-License-Identifier: MIT */
/*
 * What S3 and a plain HTTP server are both asked, by a server of objects that fails by
 * order.
 */
#ifndef KEEL_TESTS_BAG_WEB_OBJECTS_H
#define KEEL_TESTS_BAG_WEB_OBJECTS_H

#include "bag/web.h"

/* Orders a server of objects to fail: a list of faults as JSON. */
void web_order(const node_server *objects, const char *faults);

/* An answer of a server of objects to a PUT, and what a set is told of it. */
typedef struct web_refusal {
    const char *why;
    const char *fault; /* as web_order has it, without its brackets */
    keel_status status;
    keel_applied applied;
    bool is_done;
    const char *said;
} web_refusal;

void web_check_refusal(web_bag *w, const node_server *objects, const web_refusal *r);

/* Several keys: at once, in time, each with an answer of its own. */
void web_check_many(web_bag *w, proxy *between, const node_server *objects);

/* An add and a cas behind resilient whose answer is lost, done or not: they are settled
 * by reading whose write the item is. spec: as web_open has it. */
void web_check_read_back(const char *spec, const node_server *objects);

/* What is made of get and cas, where the answer to the cas is lost, done or not. */
void web_check_lost_cas(web_bag *w, const node_server *objects);

#endif
