/* SPDX-License-Identifier: MIT */
/*
 * A dependency that moves while connections to it are alive: this program answers for
 * the name server, and says from some moment on that the name is another server's.
 */
#include <dlfcn.h>
#include <netdb.h>

#include "client_fixture.h"

static fault_server other;
static atomic_uint port_of_name;
static atomic_int lookups;

/* libc's own answer, for the server that has the name now. */
__attribute__((visibility("default"))) int getaddrinfo(const char *node,
                                                       const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **out)
{
    int (*libcs)(const char *, const char *, const struct addrinfo *,
                 struct addrinfo **) = NULL;
    struct addrinfo numeric = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
    char port[8];

    (void)node, (void)service, (void)hints;
    *(void **)&libcs = dlsym(RTLD_NEXT, "getaddrinfo");
    atomic_fetch_add(&lookups, 1);
    snprintf(port, sizeof port, "%u", atomic_load(&port_of_name));
    return libcs("127.0.0.1", port, &numeric, out);
}

static void begin(const char *ttl)
{
    static const fault_step good = SAY(GOOD, FAULT_KEEP);
    char settings[128];

    ck_assert(fault_start(&server, &good, 1));
    ck_assert(fault_start(&other, &good, 1));
    atomic_store(&port_of_name, server.port);
    snprintf(settings, sizeof settings,
             "endpoints=http://moves.example:8080; endpoints.ttl=%s", ttl);
    client_open_at(settings, server.port);
}

static void end(void)
{
    END();
    fault_stop(&other);
}

static void ask(void)
{
    told_end t = { 0 };
    keel_http_request r = request_to(&t);

    r.url = "/";
    play(&r);
    ck_assert_int_eq(t.status, KEEL_OK);
}

/* It is never idle, so its connection would live for ever. */
START_TEST(a_dependency_that_has_moved_is_found_while_connections_are_alive)
{
    begin("1s");
    ask();
    ck_assert_int_eq(requests(), 1);
    atomic_store(&port_of_name, other.port);
    while (!atomic_load(&other.requests))
        ask();
    ck_assert_int_eq(connections(), 1);
    end();
}
END_TEST

START_TEST(until_then_an_address_is_believed)
{
    begin("1h");
    ask();
    atomic_store(&port_of_name, other.port);
    for (int i = 0; i < 100; i++)
        ask();
    ck_assert_int_eq(requests(), 101);
    ck_assert_int_eq(connections(), 1);
    ck_assert_int_eq(atomic_load(&lookups), 1);
    end();
}
END_TEST

SUITE("client_moved", 20,
      ONE(a_dependency_that_has_moved_is_found_while_connections_are_alive),
      ONE(until_then_an_address_is_believed))
