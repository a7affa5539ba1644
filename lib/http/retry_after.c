/* SPDX-License-Identifier: MIT */
/*
 * Retry-After = HTTP-date / delay-seconds (RFC 9110, 10.2.3). Seconds are read here,
 * to the last character; dates by libcurl, which knows all three forms.
 */
#include "http/retry_after.h"

#include <curl/curl.h>
#include <string.h>

#include "base/clock.h"

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

static uint64_t seconds_to_ns(uint64_t seconds)
{
    /* one less than "never": an absurd wish is still a wish */
    return seconds > (KEEL_NEVER - 1) / KEEL_S ? KEEL_NEVER - 1 : seconds * KEEL_S;
}

static bool read_seconds(const char *text, uint64_t *after_ns)
{
    uint64_t seconds = 0;

    for (; *text >= '0' && *text <= '9'; text++)
        if (seconds <= KEEL_NEVER / KEEL_S) /* beyond that it makes no difference */
            seconds = seconds * 10 + (uint64_t)(*text - '0');
    if (*skip_blanks(text))
        return false;
    *after_ns = seconds_to_ns(seconds);
    return true;
}

static bool read_date(const char *text, int64_t wall_s, uint64_t *after_ns)
{
    int64_t date;

    /* every HTTP date begins with a day's name; curl_getdate would take "20 May" too */
    if (!strchr("MTWFS", *text) || (date = curl_getdate(text, NULL)) == -1)
        return false;
    if (date > wall_s)
        *after_ns = seconds_to_ns((uint64_t)date - (uint64_t)wall_s);
    return true;
}

bool keel_retry_after_read(const char *text, int64_t wall_s, uint64_t *after_ns)
{
    *after_ns = 0;
    text = skip_blanks(text);
    if (!*text)
        return false;
    if (*text >= '0' && *text <= '9')
        return read_seconds(text, after_ns);
    return read_date(text, wall_s, after_ns);
}
