/* SPDX-License-Identifier: MIT */
/* Texts put behind each other, with one slash between them. */
#include "http/client/target.h"

#include <string.h>
#include <strings.h>

static const char plain[] = "http://";
static const char local[] =
    "http://localhost"; /* of a unix socket, which has no host */

bool keel_http_is_url(const char *text)
{
    return strncasecmp(text, "http://", 7) == 0 ||
           strncasecmp(text, "https://", 8) == 0;
}

bool keel_http_is_path(const char *text)
{
    return *text == '/';
}

size_t keel_http_target_size(const char *endpoint, const char *asked)
{
    return sizeof local + strlen(endpoint) + strlen("/") + strlen(asked);
}

const char *keel_http_path(const char *asked)
{
    const char *host = strstr(asked, "://");

    if (keel_http_is_path(asked) || !host)
        return asked;
    host += strlen("://");
    return host + strcspn(host, "/?#");
}

static char *append(char *to, const char *text, size_t length)
{
    memcpy(to, text, length);
    to[length] = '\0';
    return to + length;
}

bool keel_http_target(char *to, const char *endpoint, const char *asked)
{
    const char *path = keel_http_path(asked);
    size_t length;

    if (keel_http_is_path(endpoint))
        endpoint = local;
    length = strlen(endpoint);
    if (!keel_http_is_url(endpoint)) {
        if (strstr(endpoint, "://"))
            return false;
        to = append(to, plain, strlen(plain));
    }
    while (length && endpoint[length - 1] == '/')
        length--;
    to = append(to, endpoint, length);
    if (!keel_http_is_path(path))
        to = append(to, "/", 1);
    append(to, path, strlen(path));
    return true;
}
