/* SPDX-License-Identifier: MIT */
/* Pooled handles, and one request on them. Not for retrying anything. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bag/store/web_inside.h"
#include "base/detail.h"
#include "base/memory.h"
#include "base/sigpipe.h"
#include "call/runtime.h"
#include "http/check.h"

/* Servers and what stands before them let go of quiet connections after about that. */
#define IDLE_NS (20 * KEEL_S)

/* ---- connections --------------------------------------------------------------------- */

static void close_handles(void *ctx, void *connection)
{
    keel_web *web = ctx;
    keel_web_handles *h = connection;
    keel_sigpipe guard;

    keel_sigpipe_block(&guard);
    for (size_t i = 0; i < KEEL_WEB_LANES; i++)
        curl_easy_cleanup(h->lanes[i].easy);
    if (h->multi)
        curl_multi_cleanup(h->multi);
    keel_sigpipe_restore(&guard);
    keel_memory_free(web->runtime->memory, h);
}

/* No byte is sent yet: libcurl connects when it first has a request. */
static keel_status open_handles(void *ctx, uint64_t until_ns, void **connection,
                                keel_detail *why)
{
    keel_web *web = ctx;
    keel_web_handles *h = keel_memory_new(web->runtime->memory, sizeof *h);

    (void)until_ns;
    if (!h)
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    h->multi = curl_multi_init();
    h->lanes[0].easy = curl_easy_init();
    if (!h->multi || !h->lanes[0].easy) {
        close_handles(web, h);
        return keel_fail(why, KEEL_E_NOMEM, "out of memory");
    }
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)KEEL_WEB_LANES);
    *connection = h;
    return KEEL_OK;
}

static const keel_pool_kind kind = { open_handles, close_handles };

keel_status keel_web_init(keel_web *web, const keel_bag_setup *setup,
                          const keel_bag_value *values, keel_detail *why)
{
    keel_status status = keel_http_check(why);

    if (status != KEEL_OK)
        return status;
    web->runtime = setup->runtime;
    web->path = setup->path;
    web->ca_file = values[KEEL_WEB_CA_FILE].text;
    web->connect_ns = values[KEEL_WEB_CONNECT_TIMEOUT].number;
    web->holds_libcurl = keel_http_hold_libcurl();
    keel_pool_init(&web->pool, &kind, web, &setup->runtime->clock,
                   (uint32_t)values[KEEL_WEB_CONNECTIONS].number, IDLE_NS);
    return KEEL_OK;
}

void keel_web_cleanup(keel_web *web)
{
    keel_pool_cleanup(&web->pool);
    if (web->holds_libcurl)
        curl_global_cleanup();
}

/* ---- one exchange -------------------------------------------------------------------- */

static keel_status use(keel_web_going *g, keel_web_handles *h, keel_detail *why)
{
    keel_runtime *runtime = g->web->runtime;
    const keel_transfer transfer = { .multi = h->multi,
                                     .easy = h->lanes[0].easy,
                                     .runtime = runtime,
                                     .until_ns = g->op->deadline_at_ns,
                                     .connect_until_ns = keel_ns_add(
                                         keel_now(runtime), g->web->connect_ns),
                                     .cancel = g->op->cancel };
    keel_transfer_result result = { .code = CURLE_OK };
    keel_transfer_end end;
    keel_sigpipe guard;
    keel_status status;

    g->lane = &h->lanes[0];
    status = keel_web_begin(g, why);
    if (status != KEEL_OK)
        return status;
    keel_sigpipe_block(&guard);
    end = keel_transfer_run(&transfer, &result);
    keel_sigpipe_restore(&guard);
    return keel_web_end(g, end, &result, why);
}

keel_status keel_web_exchange(keel_web *web, const keel_bag_op *op,
                              const keel_web_request *r, keel_web_answer *answer,
                              keel_detail *why)
{
    keel_web_going g = { .web = web, .op = op, .request = r, .answer = answer };
    keel_detail said = KEEL_DETAIL_INIT;
    keel_pooled taken;
    keel_status status;

    *answer = (keel_web_answer){ .response = 0 };
    if (keel_now(web->runtime) >= op->deadline_at_ns)
        return keel_web_say(&g, KEEL_DEADLINE, "the deadline had passed before", why);
    status = keel_pool_take(&web->pool, op->deadline_at_ns, op->cancel, &taken, &said);
    if (status != KEEL_OK)
        return keel_web_say(&g, status, said.text, why);
    status = use(&g, taken.connection, why);
    keel_pool_give(&web->pool, &taken, status == KEEL_OK);
    return status;
}

void keel_web_answer_free(const keel_web *web, keel_web_answer *answer)
{
    keel_memory_free(web->runtime->memory, answer->body);
    answer->body = NULL;
}

keel_status keel_web_refused(const keel_web *web, const keel_web_answer *answer,
                             keel_status status, keel_applied applied, keel_detail *why,
                             const char *format, ...)
{
    char sentence[sizeof why->storage];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    keel_bag_fail(why, status, applied, web->path, "%s", sentence);
    if (why && why->size > offsetof(keel_detail, retry_after_ns))
        why->retry_after_ns = answer->asked_to_wait ? answer->retry_after_ns : 0;
    return status;
}

bool keel_web_is_origin(const char *text, const char **host)
{
    static const char *const schemes[] = { "http://", "https://" };

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t length = strlen(schemes[i]);

        if (strncmp(text, schemes[i], length) == 0) {
            *host = text + length;
            return **host && !strpbrk(*host, "/?#@ ");
        }
    }
    return false;
}
