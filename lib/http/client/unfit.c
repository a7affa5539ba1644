/* SPDX-License-Identifier: MIT */
/*
 * What is said of a request that could not be sent to anybody: which part of it, or which
 * setting, has to change. What comes of one that was sent is told in http/tell.c.
 */
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/name.h"
#include "http/client/client.h"

enum { SOCKET_PATH_MAX = sizeof((struct sockaddr_un){ 0 }).sun_path - 1 };

void keel_unfit_note(keel_exchange *x, keel_status status, int endpoint)
{
    x->unfit = status == KEEL_E_ARGUMENT ? KEEL_UNFIT_PATH
               : status == KEEL_E_CONFIG ? KEEL_UNFIT_ENDPOINT
                                         : KEEL_UNFIT_NOT;
    x->unfit_endpoint = endpoint;
}

/* Without the query, which may hold a secret. */
static const char *shown(char quoted[KEEL_QUOTE_SIZE], const char *path)
{
    return keel_quote(quoted, (keel_text){ path, strcspn(path, "?#") });
}

static void explain_path(const keel_exchange *x, const char *variable, char *to,
                         size_t size)
{
    char quoted[KEEL_QUOTE_SIZE];

    snprintf(to, size,
             "%s is a path: KEEL_%s__ENDPOINTS names no endpoint to send it to",
             shown(quoted, x->url), variable);
}

static void explain_endpoint(const keel_exchange *x, const char *variable, char *to,
                             size_t size)
{
    snprintf(
        to, size,
        "entry %d of KEEL_%s__ENDPOINTS is none of http://, https://, host:port and "
        "the path of a unix socket (%d bytes at most)",
        x->unfit_endpoint + 1, variable, SOCKET_PATH_MAX);
}

void keel_unfit_explain(const keel_exchange *x, const char *pipeline,
                        keel_detail *detail)
{
    keel_folded variable;

    if (detail->code != KEEL_E_ARGUMENT && detail->code != KEEL_E_CONFIG)
        return;
    keel_name_fold(variable, keel_text_of(pipeline));
    if (detail->code == KEEL_E_ARGUMENT && x->code == CURLE_URL_MALFORMAT)
        snprintf(detail->storage, sizeof detail->storage,
                 "libcurl cannot read the URL of the request");
    else if (detail->code == KEEL_E_ARGUMENT && x->unfit == KEEL_UNFIT_PATH)
        explain_path(x, variable, detail->storage, sizeof detail->storage);
    else if (detail->code == KEEL_E_CONFIG && x->unfit == KEEL_UNFIT_ENDPOINT)
        explain_endpoint(x, variable, detail->storage, sizeof detail->storage);
    else
        return;
    detail->text = detail->storage;
}
