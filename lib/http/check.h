/* SPDX-License-Identifier: MIT */
/* The libcurl found at run time: whether it can be put under a pipeline, and its users. */
#ifndef KEEL_HTTP_CHECK_H
#define KEEL_HTTP_CHECK_H

#include <curl/curl.h>
#include <stdbool.h>

#include <keel/status.h>

/* The decision itself, on what libcurl says of itself. */
keel_status keel_http_check_version(const curl_version_info_data *libcurl,
                                    keel_detail *why);

/* Returns KEEL_OK; KEEL_E_UNSUPPORTED: too old, or it resolves names synchronously. */
keel_status keel_http_check(keel_detail *why);

/*
 * Initialises libcurl, or becomes one user of it more; only where libcurl counts them
 * under a lock. True: curl_global_cleanup undoes it.
 */
bool keel_http_hold_libcurl(void);

#endif
