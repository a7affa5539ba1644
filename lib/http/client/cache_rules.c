/* SPDX-License-Identifier: MIT */
/* Cache-Control, Expires, Age and Vary, as RFC 9111 and RFC 5861 have them. */
#include "http/client/cache_rules.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

/* ---- Cache-Control ------------------------------------------------------------- */

/* One directive; value: without quotation marks, NULL where there is none. */
typedef struct directive {
    const char *name;
    size_t name_length;
    const char *value;
    size_t value_length;
} directive;

/* Where a quoted text that begins here ends, behind its last mark. */
static const char *skip_quoted(const char *text)
{
    for (text++; *text && *text != '"'; text++)
        if (*text == '\\' && text[1])
            text++;
    return *text ? text + 1 : text;
}

static const char *read_value(const char *text, directive *d)
{
    const char *end;

    if (*text == '"') {
        end = skip_quoted(text);
        d->value = text + 1;
        d->value_length = (size_t)(end - text) - (end[-1] == '"' && end > text + 1) - 1;
        return end;
    }
    d->value = text;
    d->value_length = strcspn(text, " \t,");
    return text + d->value_length;
}

/* The next directive; where to read on, NULL: there is none. */
static const char *next_directive(const char *text, directive *d)
{
    text += strspn(text, " \t,");
    if (!*text)
        return NULL;
    *d = (directive){ .name = text, .name_length = strcspn(text, " \t,=") };
    text += d->name_length;
    if (*text == '=')
        text = read_value(text + 1, d);
    /* what follows a value within its directive means nothing */
    while (*text && *text != ',')
        text = *text == '"' ? skip_quoted(text) : text + 1;
    return text;
}

/* How often it stands there; d: the first of them. */
static unsigned find(const char *text, const char *name, directive *d)
{
    unsigned found = 0;
    directive each;

    while (text && (text = next_directive(text, &each)) != NULL) {
        if (each.name_length != strlen(name) ||
            strncasecmp(each.name, name, each.name_length) != 0)
            continue;
        if (!found++)
            *d = each;
    }
    return found;
}

bool keel_cache_control_has(const char *cache_control, const char *name)
{
    directive d;

    return find(cache_control, name, &d) > 0;
}

static uint64_t seconds_to_ns(uint64_t seconds)
{
    return seconds > (KEEL_NEVER - 1) / KEEL_S ? KEEL_NEVER - 1 : seconds * KEEL_S;
}

static bool read_seconds(const char *text, size_t length, uint64_t *ns)
{
    uint64_t seconds = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        if (seconds <= KEEL_NEVER / KEEL_S) /* beyond that it makes no difference */
            seconds = seconds * 10 + (uint64_t)(text[i] - '0');
    }
    *ns = seconds_to_ns(seconds);
    return length > 0;
}

/* False: it does not stand there. Twice, or no number: 0 seconds (RFC 9111, 4.2.1). */
static bool find_seconds(const char *text, const char *name, uint64_t *ns)
{
    directive d;
    unsigned found = find(text, name, &d);

    if (!found)
        return false;
    if (found > 1 || !read_seconds(d.value, d.value_length, ns))
        *ns = 0;
    return true;
}

/* ---- how long it is fresh ------------------------------------------------------ */

/* -1: it is none. Each begins with a day's name; libcurl would take "20 May" too. */
static int64_t read_date(const char *text)
{
    return text && *text && strchr("MTWFS", *text) ? curl_getdate(text, NULL) : -1;
}

static uint64_t lifetime_by_date(const keel_answer_head *head, int64_t wall_s)
{
    int64_t until = read_date(head->expires), from = read_date(head->date);

    if (from < 0)
        from = wall_s;
    return until > from ? seconds_to_ns((uint64_t)until - (uint64_t)from) : 0;
}

static uint64_t lifetime(const keel_answer_head *head, int64_t wall_s)
{
    uint64_t ns;

    if (find_seconds(head->cache_control, "s-maxage", &ns) ||
        find_seconds(head->cache_control, "max-age", &ns))
        return ns;
    return lifetime_by_date(head, wall_s);
}

static uint64_t age_of(const keel_answer_head *head)
{
    uint64_t ns;

    return head->age && read_seconds(head->age, strlen(head->age), &ns) ? ns : 0;
}

/* ---- what may be done with it -------------------------------------------------- */

/* Whole answers that say what the resource is, and nothing of this one request. */
static bool is_keepable(long response)
{
    return response == 200 || response == 203 || response == 204 || response == 301 ||
           response == 308;
}

/* Forbids to serve what is not fresh (RFC 9111, 4.2.4; 5.2.2.2, .8 and .10). */
static bool must_ask_again(const char *cache_control)
{
    static const char *const words[] = { "must-revalidate", "proxy-revalidate",
                                         "s-maxage" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (keel_cache_control_has(cache_control, words[i]))
            return true;
    return false;
}

/* Allows what credentials otherwise forbid (RFC 9111, 3.5). */
static bool is_for_all(const char *cache_control)
{
    return keel_cache_control_has(cache_control, "public") ||
           keel_cache_control_has(cache_control, "must-revalidate") ||
           keel_cache_control_has(cache_control, "s-maxage");
}

void keel_cache_rules_read(const keel_answer_head *head, const keel_request_key *key,
                           int64_t wall_s, keel_cache_rules *rules)
{
    const char *control = head->cache_control;
    uint64_t lives_ns = lifetime(head, wall_s), age_ns = age_of(head);

    *rules = (keel_cache_rules){ .fresh_ns = keel_ns_left(lives_ns, age_ns),
                                 .expired_ns = keel_ns_left(age_ns, lives_ns),
                                 .stale_if_error_ns = KEEL_NEVER };
    rules->may_share = !head->sets_cookie &&
                       !keel_cache_control_has(control, "no-store") &&
                       !keel_cache_control_has(control, "private") &&
                       keel_request_keys_cover(head->vary);
    rules->may_keep = rules->may_share && is_keepable(head->response) &&
                      !keel_cache_control_has(control, "no-cache") &&
                      (!key->has_credentials || is_for_all(control));
    find_seconds(control, "stale-if-error", &rules->stale_if_error_ns);
    if (must_ask_again(control))
        rules->stale_if_error_ns = 0;
}
