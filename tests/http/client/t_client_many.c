/* SPDX-License-Identifier: MIT */
/*
 * Ten thousand requests wait in one client: what keel itself takes for each, and that no
 * thread is started. The server is another process that accepts and says nothing.
 */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client_fixture.h"
#include "support/loopback.h"
#include "support/sanitizers.h"

#if HAS_THREAD_SANITIZER /* which finds nothing more in five times as many */
#define MANY 2000
#else
#define MANY 10000
#endif

enum { HOSTS = 200, BYTES_EACH = 1024, SPARE_DESCRIPTORS = 200 };

/* ---- memory, counted by size --------------------------------------------------------------- */

static size_t taken, most_taken;

static void *take(size_t size, void *ctx)
{
    size_t *block = malloc(size + 16);

    (void)ctx;
    if (!block)
        return NULL;
    *block = size;
    taken += size;
    most_taken = taken > most_taken ? taken : most_taken;
    return (char *)block + 16;
}

static void give(void *memory, void *ctx)
{
    size_t *block = (size_t *)(void *)((char *)memory - 16);

    (void)ctx;
    taken -= *block;
    free(block);
}

/* ---- the other side --------------------------------------------------------------------------- */

static bool may_open(rlim_t descriptors)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_max < descriptors)
        return false;
    limit.rlim_cur = descriptors;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* On all of 127.0.0.0/8: libcurl looks at every connection to a host for one to use. */
static int listen_everywhere(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(fd, 4096), 0);
    return fd;
}

static _Noreturn void accept_all(int listener)
{
    for (;;)
        (void)accept(listener, NULL, NULL);
}

static unsigned entries_of(const char *path)
{
    DIR *directory = opendir(path);
    unsigned count = 0;

    while (readdir(directory))
        count++;
    closedir(directory);
    return count - 2; /* "." and ".." */
}

/* Where fewer descriptors are allowed, as many requests as there can be. */
static unsigned requests_possible(void)
{
    unsigned most = MANY;

    while (!may_open(most + SPARE_DESCRIPTORS))
        most /= 2;
    return most;
}

START_TEST(ten_thousand_wait_for_an_answer)
{
    const keel_allocator memory = { take, give, NULL };
    const char *const environment[] = { NULL };
    const keel_options options = { .size = sizeof options,
                                   .allocator = &memory,
                                   .environment = environment };
    unsigned count = requests_possible();
    int listener = listen_everywhere();
    pid_t server_pid = fork();
    told_end t = { 0 };
    keel_http_request r;
    keel_runtime *rt;
    size_t before, threads = entries_of("/proc/self/task"); /* a sanitizer has one */

    if (server_pid == 0)
        accept_all(listener);
    ck_assert_int_eq(keel_open(&rt, &options, NULL), KEEL_OK);
    ck_assert_int_eq(keel_pipeline_open(&own.pipeline, rt, "payments",
                                        "bulkhead=off; timeout=60s; deadline=60s",
                                        NULL),
                     KEEL_OK);
    ck_assert_int_eq(keel_http_open(&client, rt, NULL, NULL), KEEL_OK);
    before = taken;
    most_taken = taken;
    r = request_to(&t);
    for (unsigned i = 0; i < count; i++) {
        snprintf(base_url, sizeof base_url, "http://127.0.0.%u:%u/a/path?id=12345",
                 1 + i % HOSTS, loopback_port(listener));
        ck_assert_int_eq(keel_http_start(client, own.pipeline, &r, NULL, NULL),
                         KEEL_OK);
    }
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(keel_http_poll(client, KEEL_MS), KEEL_OK);
    ck_assert_uint_eq(keel_http_in_flight(client), count);
    ck_assert_int_eq(t.times, 0);
    ck_assert_uint_ge(entries_of("/proc/self/fd"), count); /* a connection each */
    ck_assert_uint_eq(entries_of("/proc/self/task"), threads);
    printf("%u requests: %zu bytes each, %zu while tables grew\n", count,
           (taken - before) / count, (most_taken - before) / count);
    ck_assert_uint_le(taken - before, (size_t)count * BYTES_EACH);
    ck_assert_uint_le(most_taken - before, (size_t)count * BYTES_EACH);
    keel_http_close(client);
    ck_assert_int_eq(t.times, (int)count);
    keel_pipeline_close(own.pipeline);
    ck_assert_int_eq(keel_close(rt, 0), KEEL_OK);
    ck_assert_uint_eq(taken, 0);
    kill(server_pid, SIGKILL);
    waitpid(server_pid, NULL, 0);
    close(listener);
}
END_TEST

/* One place: each that ends lets the next one go, and all are served in their order. */
START_TEST(ten_thousand_wait_for_a_place)
{
    told_end t = { 0 };
    keel_http_request r;

    BEGIN("bulkhead=16; bulkhead.queue=10000; bulkhead.wait=10m; deadline=10m; "
          "timeout=10m; endpoints.ttl=10m",
          SAY(GOOD, FAULT_KEEP));
    r = request_to(&t);
    for (unsigned i = 0; i < MANY; i++)
        start(&r);
    finish_all();
    ck_assert_int_eq(t.times, MANY);
    ck_assert_int_eq(t.status, KEEL_OK);
    ck_assert_int_le(connections(), 16);
    END();
}
END_TEST

SUITE("client_many", 60, ONE(ten_thousand_wait_for_an_answer),
      ONE(ten_thousand_wait_for_a_place))
