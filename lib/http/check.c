/* SPDX-License-Identifier: MIT */
/*
 * What keel needs of libcurl. Compiled against a good one is not enough: the one at
 * run time may be another.
 */
#include "http/check.h"

#include "base/detail.h"

enum { QUICK_EXIT_SINCE = 0x075700 }; /* 7.87.0 */

keel_status keel_http_check_version(const curl_version_info_data *libcurl,
                                    keel_detail *why)
{
    if (libcurl->version_num < QUICK_EXIT_SINCE)
        return keel_failf(why, KEEL_E_UNSUPPORTED,
                          "libcurl %s is too old, 7.87.0 or newer is needed: a hung "
                          "name server would outlive every timeout",
                          libcurl->version);
    if (!(libcurl->features & CURL_VERSION_ASYNCHDNS))
        return keel_failf(why, KEEL_E_UNSUPPORTED,
                          "this libcurl %s was built without AsynchDNS: a hung name "
                          "server would outlive every timeout",
                          libcurl->version);
    return KEEL_OK;
}

keel_status keel_http_check(keel_detail *why)
{
    return keel_http_check_version(curl_version_info(CURLVERSION_NOW), why);
}

bool keel_http_hold_libcurl(void)
{
    return (curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_THREADSAFE) &&
           curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK;
}
