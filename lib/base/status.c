/* SPDX-License-Identifier: MIT */
/* The names and sentences of the status lists, grown from their X-macros. */
#include "base/detail.h"

const char *keel_status_name(keel_status status)
{
    switch (status) {
#define NAME_OF(name, number, text)                                                    \
    case name:                                                                         \
        return #name;
        KEEL_STATUS_MAP(NAME_OF)
    case KEEL_STATUS_LAST_:
        break;
    }
    return "KEEL_?";
}

const char *keel_status_text(keel_status status)
{
    switch (status) {
#define TEXT_OF(name, number, text)                                                    \
    case name:                                                                         \
        return text;
        KEEL_STATUS_MAP(TEXT_OF)
    case KEEL_STATUS_LAST_:
        break;
    }
    return "unknown status";
}

const char *keel_reason_name(keel_reason reason)
{
    switch (reason) {
        KEEL_REASON_MAP(TEXT_OF)
    case KEEL_REASON_LAST_:
        break;
    }
    return "?";
}

bool keel_status_is_known(keel_status status)
{
    switch (status) {
#define IS_KNOWN(name, number, text) case name:
        KEEL_STATUS_MAP(IS_KNOWN)
        return true;
    case KEEL_STATUS_LAST_:
        break;
    }
    return false;
}

bool keel_status_is_rejected(keel_status status)
{
    return status >= 10 && status < 20;
}

bool keel_status_is_error(keel_status status)
{
    return status >= 40 && status < 80;
}

const char *keel_version(void)
{
    return PACKAGE_VERSION;
}
