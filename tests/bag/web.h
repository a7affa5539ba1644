/* SPDX-License-Identifier: MIT */
/*
 * What the tests of stores over HTTP stand on: a bag behind a proxy before a server, and
 * faults that each of these stores has to tell the truth about.
 */
#ifndef KEEL_TESTS_BAG_WEB_H
#define KEEL_TESTS_BAG_WEB_H

#include "support/node_server.h"
#include "support/opened.h"
#include "support/proxy.h"

typedef struct web_bag {
    opened opened;
    keel_bag *bag;
    keel_detail why;
} web_bag;

/* Opens a bag by a spec, which may hold one %u: the port. Fails the test otherwise. */
void web_open(web_bag *w, const char *spec, uint16_t port);
/* Fails the test if memory was not given back. */
void web_close(web_bag *w);

enum { WEB_SOON_MS = 1000, WEB_PATIENCE_MS = 8000 };

/* Options with a deadline so far from now. */
keel_bag_options web_within(const web_bag *w, unsigned ms);

keel_status web_set(web_bag *w, const char *key, const char *text);
/* Within ms. */
keel_status web_set_within(web_bag *w, const char *key, const char *text, unsigned ms);
keel_status web_add(web_bag *w, const char *key, const char *text);
keel_status web_get_within(web_bag *w, const char *key, unsigned ms);
/* Whether the item is there with that text, asked with patience. */
bool web_has(web_bag *w, const char *key, const char *text);

/* Whether keel-conform passes over a spec like that. */
bool web_conforms(const char *spec, uint16_t port);

/* The table "items" of a dynalite, ready for use. */
void web_make_table(const node_server *dynalite);
/* What is asked of it by hand. The answer's status; 0: none. */
long web_ask_table(const node_server *dynalite, const char *operation, const char *body,
                   char *answer, size_t size);

/* That it took no longer since then than what was to end soon may take. */
void web_expect_in_time(const web_bag *w, uint64_t begun, const char *why);

/* What came of a set. */
typedef enum web_done { WEB_NOT_DONE, WEB_DONE, WEB_PERHAPS } web_done;

/* A fault on the way, and what a set is told of it. */
typedef struct web_fault {
    const char *why;
    proxy_order order;
    bool is_unknown; /* of a write: it may have arrived */
    web_done done;
} web_fault;

enum { WEB_FAULTS = 8 };
extern const web_fault web_faults[WEB_FAULTS];

/*
 * A set and a get under a fault, on a connection that was good before and on a fresh one:
 * right status, right `applied`, ended in time, and the next use is fine.
 */
void web_check_fault(web_bag *w, proxy *between, const web_fault *fault);

/* A server whose time has stopped: a write that is told to be unknown, and was done. */
void web_check_frozen(web_bag *w, const node_server *server);

/* A server that is killed, and comes back with nothing. spec: as web_open has it. */
void web_check_killed(const char *spec, node_server *server);

/* Each allocation of a set and a get fails once, and what is told of it is true. */
void web_check_memory(web_bag *w);

#endif
