/* SPDX-License-Identifier: MIT */
/* The head of a copy: the URL, then name and value of each header, each ended by NUL. */
#include "http/client/answer_copy.h"

#include <string.h>
#include <strings.h>

enum { JOINED_SIZE = 1024 };

/* ---- copying ----------------------------------------------------------------------- */

/* With to NULL, only counts. */
static size_t put(char *to, size_t at, const char *text)
{
    size_t size = strlen(text) + 1;

    if (to)
        memcpy(to + at, text, size);
    return at + size;
}

static size_t put_head(char *to, CURL *easy)
{
    const char *url = NULL;
    struct curl_header *header = NULL;
    size_t at;

    curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
    at = put(to, 0, url ? url : "");
    while ((header = curl_easy_nextheader(easy, CURLH_HEADER, -1, header)) != NULL) {
        at = put(to, at, header->name);
        at = put(to, at, header->value);
    }
    return at;
}

keel_shared_answer *keel_answer_copy(const keel_allocator *memory, CURL *easy,
                                     const char *body, size_t length)
{
    keel_shared_answer *copy =
        keel_shared_answer_new(memory, put_head(NULL, easy), length);

    if (!copy)
        return NULL;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &copy->response);
    put_head(copy->bytes, easy);
    if (length)
        memcpy(copy->bytes + copy->head_length, body, length);
    return copy;
}

/* ---- what is in it ----------------------------------------------------------------- */

const char *keel_answer_copy_url(const keel_shared_answer *copy)
{
    return copy->bytes;
}

const char *keel_answer_copy_body(const keel_shared_answer *copy)
{
    return copy->bytes + copy->head_length;
}

static const char *behind(const char *text)
{
    return text + strlen(text) + 1;
}

const char *keel_answer_copy_header(const keel_shared_answer *copy, const char *name,
                                    size_t index)
{
    const char *end = copy->bytes + copy->head_length;
    const char *value;

    if (!copy->head_length)
        return NULL;
    for (const char *at = behind(copy->bytes); at < end; at = behind(value)) {
        value = behind(at);
        if (!strcasecmp(at, name) && !index--)
            return value;
    }
    return NULL;
}

/* ---- what it says of itself -------------------------------------------------------- */

/* All of that name, joined by commas; NULL: there is none. What does not fit ends as
 * `otherwise`, the strictest that can be said. */
static const char *joined(const keel_shared_answer *copy, const char *name,
                          const char *otherwise, char room[JOINED_SIZE])
{
    const char *value = keel_answer_copy_header(copy, name, 0);
    size_t length = 0;

    if (!value)
        return NULL;
    for (size_t i = 0; value; value = keel_answer_copy_header(copy, name, ++i)) {
        size_t more = strlen(value);

        if (length + more + sizeof "," > JOINED_SIZE)
            return otherwise;
        if (i)
            room[length++] = ',';
        memcpy(room + length, value, more + 1);
        length += more;
    }
    return room;
}

void keel_answer_copy_rules(const keel_shared_answer *copy, const keel_request_key *key,
                            int64_t wall_s, keel_cache_rules *rules)
{
    char control[JOINED_SIZE], vary[JOINED_SIZE];
    const keel_answer_head head = {
        .response = copy->response,
        .cache_control = joined(copy, "Cache-Control", "no-store", control),
        .expires = keel_answer_copy_header(copy, "Expires", 0),
        .date = keel_answer_copy_header(copy, "Date", 0),
        .age = keel_answer_copy_header(copy, "Age", 0),
        .vary = joined(copy, "Vary", "*", vary),
        .sets_cookie = keel_answer_copy_header(copy, "Set-Cookie", 0) != NULL,
    };

    keel_cache_rules_read(&head, key, wall_s, rules);
}
