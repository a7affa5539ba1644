/* SPDX-License-Identifier: MIT */
/*
 * A dependency in two regions: the near one is asked as long as it answers, then the
 * other one, and each answer says who gave it. Usage: two_region [NEAR] FAR
 */
#include <keel/keel.h>
#include <stdio.h>

enum { REQUESTS = 8 };

static const char format[] = "timeout=500ms; deadline=2s; "
                             "endpoints=%s name=near zone=eu-1, "
                             "%s name=far zone=eu-2 tier=1";

static void say_who(keel_pipeline *orders, const keel_http_response *response)
{
    keel_endpoint_stats from = { .size = sizeof from };

    if (keel_pipeline_endpoint_look(orders, (uint32_t)response->endpoint, &from) ==
        KEEL_OK)
        printf("%d from %s in %s, attempt %u\n", response->status, from.name, from.zone,
               (unsigned)response->attempts);
}

static keel_status ask(keel_http *client, keel_pipeline *orders)
{
    const keel_http_request request = { .size = sizeof request, .url = "/orders?id=7" };
    const keel_http_response *response;
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status = keel_http_perform(client, orders, &request, &response, &why);

    if (response)
        say_who(orders, response);
    if (status != KEEL_OK)
        fprintf(stderr, "orders: %s\n", why.text);
    keel_http_response_free(response);
    return status;
}

int main(int argc, char **argv)
{
    const char *near = argc > 2 ? argv[1] : "http://127.0.0.1:1"; /* nobody is there */
    const char *far = argc > 1 ? argv[argc - 1] : "http://127.0.0.1:8080";
    keel_detail why = KEEL_DETAIL_INIT;
    keel_http *client = NULL;
    keel_pipeline *orders;
    keel_runtime *rt;
    char settings[512];
    int failed = 0;

    snprintf(settings, sizeof settings, format, near, far);
    if (keel_open(&rt, NULL, &why) != KEEL_OK ||
        keel_pipeline_open(&orders, rt, "orders", settings, &why) != KEEL_OK ||
        keel_http_open(&client, rt, NULL, &why) != KEEL_OK) {
        fprintf(stderr, "keel: %s\n", why.text);
        return 2;
    }
    for (int i = 0; i < REQUESTS; i++)
        failed += ask(client, orders) != KEEL_OK;
    keel_http_close(client);
    keel_pipeline_close(orders);
    keel_close(rt, 0);
    return failed > 0;
}
