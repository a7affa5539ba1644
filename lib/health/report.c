/* SPDX-License-Identifier: MIT */
/* The service's own health as application/health+json. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/wall.h"
#include "health/health.h"
#include "health/json.h"

enum { LEAST_SIZE = 128, HTTP_OK = 200, HTTP_UNAVAILABLE = 503 };

/* Kept free while checks are written, for what closes the text and for its notes. */
enum { TAIL_SIZE = 96 };

typedef struct rendering {
    keel_json json;
    keel_health_state state;
    unsigned written;
    unsigned left_out;
} rendering;

static const char *name_of(keel_health_state state)
{
    static const char *const names[] = { "pass", "warn", "fail" };

    return names[state];
}

/* What is not critical keeps nobody from sending requests. */
static void take_in(rendering *r, const keel_health_result *result)
{
    keel_health_state most = result->critical ? KEEL_HEALTH_FAIL : KEEL_HEALTH_WARN;
    keel_health_state state = result->state < most ? result->state : most;

    if (state > r->state)
        r->state = state;
}

static void write_check(keel_json *json, const keel_health_result *result)
{
    char key[KEEL_NAME_MAX + 16], time[KEEL_WALL_TEXT_SIZE];

    snprintf(key, sizeof key, "%s%s", result->name, result->kind);
    keel_json_string(json, key);
    keel_json_text(json, ":[{", "componentType", "component");
    if (result->observed)
        keel_json_text(json, ",", "observedValue", result->observed);
    keel_json_text(json, ",", "status", name_of(result->state));
    keel_json_text(json, ",", "time", keel_wall_write(time, result->wall_s));
    if (result->state != KEEL_HEALTH_PASS && *result->text)
        keel_json_text(json, ",", "output", result->text);
    keel_json_raw(json, "}]");
}

/* As a whole, or not at all. */
static void add_check(rendering *r, const keel_health_result *result)
{
    size_t before = r->json.length;

    keel_json_raw(&r->json, r->written ? "," : "");
    write_check(&r->json, result);
    if (r->json.is_full) {
        keel_json_cut(&r->json, before);
        r->left_out++;
    } else {
        r->written++;
    }
}

/* The status comes last, since it is known last; JSON has no order. */
static void end(rendering *r, size_t size)
{
    char note[TAIL_SIZE];

    r->json.size = size;
    keel_json_text(&r->json, "},", "status", name_of(r->state));
    if (r->left_out) {
        snprintf(note, sizeof note, ",\"notes\":[\"%u more did not fit\"]",
                 r->left_out);
        keel_json_raw(&r->json, note);
    }
    keel_json_raw(&r->json, "}");
}

static void render_ready(keel_runtime *rt, rendering *r, char *json, size_t size)
{
    keel_health_result result;
    keel_health *h;
    uint64_t number = 0;

    keel_runtime_notice_fork(rt);
    h = atomic_load(&rt->health);
    keel_json_init(&r->json, json, size ? size - TAIL_SIZE : 0);
    keel_json_raw(&r->json, "{\"checks\":{");
    while (h && keel_health_next(h, &number, &result)) {
        take_in(r, &result);
        add_check(r, &result);
    }
    end(r, size);
}

static void render_live(keel_runtime *rt, rendering *r, char *json, size_t size)
{
    (void)rt;
    keel_json_init(&r->json, json, size);
    keel_json_text(&r->json, "{", "status", name_of(KEEL_HEALTH_PASS));
    keel_json_raw(&r->json, "}");
}

static void fill(keel_health_report *report, const rendering *r)
{
    keel_health_report all = { .state = r->state,
                               .http_status = r->state == KEEL_HEALTH_FAIL
                                                  ? HTTP_UNAVAILABLE
                                                  : HTTP_OK,
                               .length = r->json.length };
    size_t size;

    if (!report)
        return;
    size = all.size = report->size < sizeof all ? report->size : sizeof all;
    memcpy((char *)report + sizeof size, (char *)&all + sizeof size,
           size - sizeof size);
}

static keel_status
answer(keel_runtime *rt, char *json, size_t size, keel_health_report *report,
       void (*render)(keel_runtime *rt, rendering *r, char *json, size_t size))
{
    rendering r = { .state = KEEL_HEALTH_PASS };
    int saved = errno;

    if (json && size)
        json[0] = '\0';
    if (!rt || (!json && size) || (report && report->size < sizeof report->size))
        return KEEL_E_ARGUMENT;
    if (json && size < LEAST_SIZE)
        return KEEL_E_LIMIT;
    render(rt, &r, json, size);
    fill(report, &r);
    errno = saved;
    return KEEL_OK;
}

keel_status keel_health_ready(keel_runtime *rt, char *json, size_t size,
                              keel_health_report *report)
{
    return answer(rt, json, size, report, render_ready);
}

keel_status keel_health_live(keel_runtime *rt, char *json, size_t size,
                             keel_health_report *report)
{
    return answer(rt, json, size, report, render_live);
}
