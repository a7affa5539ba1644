/* SPDX-License-Identifier: MIT */
/* Whether the libcurl found at run time can be put under a pipeline. */
#ifndef KEEL_HTTP_CHECK_H
#define KEEL_HTTP_CHECK_H

#include <curl/curl.h>

#include <keel/status.h>

/* The decision itself, on what libcurl says of itself. */
keel_status keel_http_check_version(const curl_version_info_data *libcurl,
                                    keel_detail *why);

/* Returns KEEL_OK; KEEL_E_UNSUPPORTED: too old, or it resolves names synchronously. */
keel_status keel_http_check(keel_detail *why);

#endif
