/* SPDX-License-Identifier: MIT */
/* Any bytes as KEEL_REDIS: no crash; what is read prints and reads as the same again. */
#include <string.h>

#include "net/redis_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names with a slash, and secrets, are not printed as they were read. */
static bool is_printed_whole(const keel_redis_url *url, const char *printed)
{
    return !url->user[0] && !url->password[0] && !strpbrk(url->master, "/%@") &&
           !strpbrk(url->path, "?") && strlen(printed) < KEEL_REDIS_URL_TEXT_SIZE - 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char printed[KEEL_REDIS_URL_TEXT_SIZE];
    keel_detail why = KEEL_DETAIL_INIT;
    keel_redis_url url, again;

    if (keel_redis_url_read(&url, (keel_text){ (const char *)data, size }, &why))
        return 0;
    keel_redis_url_print(&url, printed);
    if (!is_printed_whole(&url, printed))
        return 0;
    if (keel_redis_url_read(&again, keel_text_of(printed), &why) ||
        memcmp(&url, &again, sizeof url) != 0)
        __builtin_trap();
    return 0;
}
