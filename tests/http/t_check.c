/* SPDX-License-Identifier: MIT */
/* Which libcurls keel works with. */

#include "http/check.h"
#include "support/suite.h"

static keel_status check(unsigned number, const char *version, int features,
                         keel_detail *why)
{
    curl_version_info_data libcurl = { .version = version,
                                       .version_num = number,
                                       .features = features };

    return keel_http_check_version(&libcurl, why);
}

START_TEST(the_libcurl_of_this_machine_will_do)
{
    ck_assert_int_eq(keel_http_check(NULL), KEEL_OK);
}
END_TEST

START_TEST(a_libcurl_that_resolves_synchronously_is_refused_and_why)
{
    keel_detail why = KEEL_DETAIL_INIT;

    ck_assert_int_eq(check(0x080000, "8.0.0", 0, &why), KEEL_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(why.text, "AsynchDNS"));
    ck_assert_ptr_nonnull(strstr(why.text, "8.0.0"));
}
END_TEST

START_TEST(a_libcurl_before_quick_exit_is_refused_and_why)
{
    keel_detail why = KEEL_DETAIL_INIT;

    ck_assert_int_eq(check(0x0756ff, "7.86.0", CURL_VERSION_ASYNCHDNS, &why),
                     KEEL_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(why.text, "7.86.0"));
    ck_assert_int_eq(check(0x075700, "7.87.0", CURL_VERSION_ASYNCHDNS, NULL), KEEL_OK);
}
END_TEST

SUITE("http/check", 10, ONE(the_libcurl_of_this_machine_will_do),
      ONE(a_libcurl_that_resolves_synchronously_is_refused_and_why),
      ONE(a_libcurl_before_quick_exit_is_refused_and_why))
