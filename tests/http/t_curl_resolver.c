/* SPDX-License-Identifier: MIT */
/*
 * A name server that hangs: this program puts its own getaddrinfo in front of libc's,
 * one that does not come back until the test is over. Every call must end in time all
 * the same, and so must everything the program does with its handle afterwards.
 */
#include <netdb.h>
#include <semaphore.h>

#include "fixture.h"

#define TIMEOUT_MS 300
#define GRACE_MS 50

static sem_t released;
static atomic_int lookups;

__attribute__((visibility("default"))) int getaddrinfo(const char *node,
                                                       const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **out)
{
    (void)node, (void)service, (void)hints, (void)out;
    atomic_fetch_add(&lookups, 1);
    while (sem_wait(&released) != 0)
        ;
    return EAI_AGAIN;
}

static void begin(const char *settings)
{
    sem_init(&released, 0, 0);
    curl_client_open(&client, settings, 9, "/");
    curl_easy_setopt(client.easy, CURLOPT_URL, "http://hangs.example/");
}

static void end(void)
{
    curl_client_close(&client);
    for (int i = 0; i < atomic_load(&lookups); i++)
        sem_post(&released);
}

static uint64_t timed_call_ns(void)
{
    uint64_t before = keel_now(client.runtime);

    ck_assert_int_eq(curl_client_perform(&client), KEEL_TIMEOUT);
    ck_assert_int_eq(client.code, CURLE_OPERATION_TIMEDOUT);
    return keel_now(client.runtime) - before;
}

START_TEST(a_hung_name_server_costs_no_more_than_the_timeout)
{
    uint64_t best_ns = UINT64_MAX;

    /* the best of three: a busy machine may delay one of them, keel delays all */
    begin("timeout=300ms; timeout.connect=299ms; retry.attempts=1");
    for (int i = 0; i < 3; i++) {
        uint64_t took_ns = timed_call_ns();

        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    ck_assert_int_eq(atomic_load(&lookups), 3);
    ck_assert_uint_lt(best_ns, (TIMEOUT_MS + GRACE_MS) * MS);
    end();
}
END_TEST

START_TEST(a_hung_name_server_proves_that_nothing_left)
{
    begin("timeout=100ms; retry.attempts=2; retry.backoff=1ms");
    curl_easy_setopt(client.easy, CURLOPT_POSTFIELDS, "card=1");
    timed_call_ns();
    ck_assert_int_eq(client.why.attempts, 2);
    ck_assert_int_eq(client.why.applied, KEEL_APPLIED_NO);
    end();
}
END_TEST

START_TEST(closing_does_not_wait_for_a_hung_name_server)
{
    begin("timeout=100ms; retry.attempts=1");
    timed_call_ns();
    /* would hang until libcheck's time is up: the resolver is released only after */
    end();
}
END_TEST

SUITE("http/curl_resolver", 60, ONE(a_hung_name_server_costs_no_more_than_the_timeout),
      ONE(a_hung_name_server_proves_that_nothing_left),
      ONE(closing_does_not_wait_for_a_hung_name_server))
