/* SPDX-License-Identifier: MIT */
/* Elements of XML, found by their tags. */
#include "bag/store/s3_reply.h"

#include <stdio.h>

enum { TAG_SIZE = 48 };

bool keel_s3_next(keel_text *xml, const char *element, keel_text *inside)
{
    char begin[TAG_SIZE], end[TAG_SIZE];
    keel_text before, rest;

    snprintf(begin, sizeof begin, "<%s>", element);
    snprintf(end, sizeof end, "</%s>", element);
    if (!keel_text_split(*xml, begin, &before, &rest) ||
        !keel_text_split(rest, end, inside, xml))
        return false;
    return true;
}

keel_text keel_s3_error_code(keel_text xml)
{
    keel_text code = { "", 0 };

    if (!keel_s3_next(&xml, "Code", &code))
        return (keel_text){ "", 0 };
    return code;
}
