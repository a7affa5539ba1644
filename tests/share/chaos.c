/* SPDX-License-Identifier: MIT */
/*
 * A fleet is tormented at random for a while, then left alone, and what its members wrote
 * is checked. The seed is printed; with the same one the same is done in the same order,
 * though not to the same instruction.
 *
 *     KEEL_CHAOS_SECONDS=60 KEEL_CHAOS_SEED=7 tests/share/chaos
 *
 * Started by itself with arguments it is one of the members, which calls until it is
 * killed. Exit 77: there is no Redis.
 */
#include <errno.h>
#include <fcntl.h>
#include <keel/keel.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "share/check_logs.h"
#include "support/pause.h"
#include "support/proxy.h"
#include "support/redis.h"

enum {
    MEMBERS = 5,
    SECONDS = 12,
    FORGOTTEN_MS = 2400, /* breaker.window, and two of its buckets */
    SETTLE_S = 30,
    SETTLED_LOOKS = 10,
    CALL_EVERY_MS = 2,
    PROBE_MS = 300,
    NAME_SIZE = 48
};

#define SETTINGS                                                                       \
    "none; breaker.window=2s; breaker.min_calls=8; breaker.open=200ms;"                \
    "breaker.open_max=400ms; breaker.open_jitter=0.1; breaker.half_open_permits=2;"    \
    "breaker.half_open_failures=0; breaker.lease=500ms; deadline=10s"

static const check_rules rules = { .permits = 2, .lease_ms = 700, .open_most_ms = 440 };

static void write_line(int fd, const char *subsystem, const char *message)
{
    struct timespec now;
    char line[400];
    int length;

    clock_gettime(CLOCK_MONOTONIC, &now);
    length = snprintf(line, sizeof line, "%lld%09ld %s %s\n", (long long)now.tv_sec,
                      now.tv_nsec, subsystem, message);
    if (length > 0 && write(fd, line, (size_t)length) < 0)
        perror("chaos: log");
}

static void pause_ms(unsigned ms)
{
    pause_ns(ms * KEEL_MS);
}

/* ---- a member ----------------------------------------------------------------------- */

/* What its calls meet: a file of one byte that the tormentor writes. */
static volatile const unsigned char *health;

static void hear(keel_log_level level, const char *subsystem, const char *message,
                 void *ctx)
{
    (void)level;
    if (strcmp(subsystem, "fleet") == 0 || strcmp(subsystem, "breaker") == 0)
        write_line(*(int *)ctx, subsystem, message);
}

/* What is called after a refusal is likely to be a probe: it takes long enough to be seen
 * beside others. */
static keel_status call(keel_pipeline *pipeline, keel_status last)
{
    keel_call now;

    keel_call_begin(&now, pipeline, NULL);
    while (keel_call_next(&now)) {
        if (last != KEEL_OK && last != KEEL_FAILED)
            pause_ms(PROBE_MS);
        keel_call_report(&now, *health ? KEEL_OK : KEEL_FAILED);
    }
    return keel_call_end(&now, NULL);
}

static int be_member(const char *log, const char *health_path, const char *variable)
{
    const char *const environment[] = { variable, "KEEL_LOG=debug", NULL };
    int health_fd = open(health_path, O_RDONLY | O_CLOEXEC);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    keel_options options = {
        .size = sizeof options, .environment = environment, .log = hear, .log_ctx = &fd
    };
    keel_status last = KEEL_OK;
    keel_pipeline *pipeline;
    keel_runtime *rt;

    health = mmap(NULL, 1, PROT_READ, MAP_SHARED, health_fd, 0);
    if (fd < 0 || health_fd < 0 || health == MAP_FAILED ||
        keel_open(&rt, &options, NULL) != KEEL_OK ||
        keel_pipeline_open(&pipeline, rt, "payments", SETTINGS, NULL) != KEEL_OK)
        return 1;
    for (;;) {
        last = call(pipeline, last);
        pause_ms(CALL_EVERY_MS);
    }
}

/* ---- the tormentor ------------------------------------------------------------------ */

typedef struct victim {
    spawned process;
    char log[NAME_SIZE];
    unsigned runs;
    bool is_stopped;
} victim;

static struct {
    char directory[64];
    char program[SPAWNED_PATH_SIZE];
    char health_path[128];
    char variable[64];
    unsigned char *health;
    uint64_t seed;
    int log;
    test_redis redis;
    proxy *proxy;
    victim members[MEMBERS];
} chaos;

/* xorshift64* */
static unsigned draw(unsigned below)
{
    chaos.seed ^= chaos.seed >> 12;
    chaos.seed ^= chaos.seed << 25;
    chaos.seed ^= chaos.seed >> 27;
    return (unsigned)((chaos.seed * 0x2545f4914f6cdd1dULL) >> 33) % below;
}

static void say(const char *what)
{
    write_line(chaos.log, "torment", what);
}

static void say_of(const char *what, const victim *v)
{
    char line[NAME_SIZE + 16];

    snprintf(line, sizeof line, "%s=%s", what, v->log);
    say(line);
}

static bool run_member(victim *v)
{
    char log[128];
    const char *const argv[] = { chaos.program,     "member",       log,
                                 chaos.health_path, chaos.variable, NULL };

    snprintf(v->log, sizeof v->log, "member-%u-%u.log", (unsigned)(v - chaos.members),
             v->runs++);
    snprintf(log, sizeof log, "%s/%s", chaos.directory, v->log);
    return spawned_start(&v->process, SIGKILL, argv);
}

static void stop_member(victim *v)
{
    say_of("stop", v);
    kill(v->process.pid, SIGSTOP);
    v->is_stopped = true;
}

static void continue_member(victim *v)
{
    kill(v->process.pid, SIGCONT);
    say_of("cont", v);
    v->is_stopped = false;
}

static void a_member_dies(void)
{
    victim *v = &chaos.members[draw(MEMBERS)];

    spawned_stop(&v->process);
    v->is_stopped = false;
    pause_ms(draw(200));
    if (!run_member(v))
        perror("chaos: member");
}

/* Goes on later, or never: who is stopped for good is killed some time. */
static void a_member_stops_or_goes_on(void)
{
    victim *v = &chaos.members[draw(MEMBERS)];

    if (v->is_stopped)
        continue_member(v);
    else
        stop_member(v);
    pause_ms(draw(300));
}

static void the_dependency_turns(void)
{
    *chaos.health = !*chaos.health;
    pause_ms(draw(700));
}

static void the_server_stops(void)
{
    test_redis_freeze(&chaos.redis);
    pause_ms(draw(600));
    test_redis_thaw(&chaos.redis);
}

/* Of two instants one is before and one is after. */
static void the_data_is_lost(void)
{
    say("lost");
    if (draw(2))
        freeReplyObject(test_redis_ask(&chaos.redis, "FLUSHALL"));
    else if (!test_redis_restart(&chaos.redis))
        fprintf(stderr, "chaos: the server does not come back\n");
    say("lost");
    pause_ms(draw(300));
}

static void the_network_fails(void)
{
    static const proxy_order orders[] = {
        { .fault = PROXY_DELAY, .ms = 90 },
        { .fault = PROXY_DRIP, .ms = 1 },
        { .fault = PROXY_CUT },
        { .fault = PROXY_RESET_BEFORE },
        { .fault = PROXY_RESET_AFTER },
        { .fault = PROXY_ANSWER },
        { .fault = PROXY_BLACK_HOLE },
        { .fault = PROXY_REFUSE },
    };

    proxy_set(chaos.proxy, orders[draw(sizeof orders / sizeof orders[0])]);
    pause_ms(draw(500));
    proxy_do(chaos.proxy, PROXY_FORWARD);
}

static void nothing_happens(void)
{
    pause_ms(draw(500));
}

static void torment(unsigned seconds)
{
    static void (*const acts[])(void) = {
        the_dependency_turns, the_dependency_turns,
        the_dependency_turns, the_dependency_turns,
        a_member_dies,        a_member_stops_or_goes_on,
        the_server_stops,     a_member_stops_or_goes_on,
        the_data_is_lost,     the_network_fails,
        the_network_fails,    nothing_happens,
    };
    time_t until = time(NULL) + (time_t)seconds;

    while (time(NULL) < until)
        acts[draw(sizeof acts / sizeof acts[0])]();
}

/* As far as they have written until now. */
static bool all_are_well_alike(void)
{
    uint64_t epoch = check_well_epoch(chaos.directory, chaos.members[0].log);

    for (unsigned i = 1; i < MEMBERS && epoch; i++)
        if (check_well_epoch(chaos.directory, chaos.members[i].log) != epoch)
            return false;
    return epoch != 0;
}

/*
 * Everything is well from now on. While failures of before are in a window they may still
 * trip a breaker, as the successes beside them leave it first. Returns once all have shown
 * for a while that they are well, or have had long enough.
 */
static void let_be(void)
{
    time_t until = time(NULL) + SETTLE_S;
    unsigned seen = 0;

    *chaos.health = 1;
    for (unsigned i = 0; i < MEMBERS; i++)
        if (chaos.members[i].is_stopped)
            continue_member(&chaos.members[i]);
    pause_ms(FORGOTTEN_MS);
    while (seen < SETTLED_LOOKS && time(NULL) < until) {
        pause_ms(100);
        seen = all_are_well_alike() ? seen + 1 : 0;
    }
    for (unsigned i = 0; i < MEMBERS; i++)
        say_of("alive", &chaos.members[i]);
}

/* ---- setting up --------------------------------------------------------------------- */

static bool make_files(void)
{
    char path[128];
    int fd;

    snprintf(chaos.directory, sizeof chaos.directory, "/tmp/keel-chaos-XXXXXX");
    if (!mkdtemp(chaos.directory))
        return false;
    snprintf(path, sizeof path, "%s/torment.log", chaos.directory);
    chaos.log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    snprintf(chaos.health_path, sizeof chaos.health_path, "%s/health", chaos.directory);
    fd = open(chaos.health_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (chaos.log < 0 || fd < 0 || write(fd, "\1", 1) != 1)
        return false;
    chaos.health = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return chaos.health != MAP_FAILED;
}

static bool set_up(void)
{
    ssize_t length =
        readlink("/proc/self/exe", chaos.program, sizeof chaos.program - 1);

    if (length < 0 || !make_files() || !test_redis_start(&chaos.redis, ""))
        return false;
    chaos.program[length] = '\0';
    chaos.proxy = proxy_start(chaos.redis.port);
    if (!chaos.proxy)
        return false;
    snprintf(chaos.variable, sizeof chaos.variable, "KEEL_REDIS=redis://127.0.0.1:%u",
             proxy_port(chaos.proxy));
    for (unsigned i = 0; i < MEMBERS; i++)
        if (!spawned_init(&chaos.members[i].process, "member") ||
            !run_member(&chaos.members[i]))
            return false;
    return true;
}

static void tear_down(void)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        spawned_cleanup(&chaos.members[i].process);
    proxy_stop(chaos.proxy);
    test_redis_cleanup(&chaos.redis);
}

/* A directory that shows what is wrong is kept. */
static void remove_logs(void)
{
    char path[128];

    for (unsigned i = 0; i < MEMBERS; i++)
        for (unsigned run = 0; run < chaos.members[i].runs; run++) {
            snprintf(path, sizeof path, "%s/member-%u-%u.log", chaos.directory, i, run);
            unlink(path);
        }
    unlink(chaos.health_path);
    snprintf(path, sizeof path, "%s/torment.log", chaos.directory);
    unlink(path);
    rmdir(chaos.directory);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static int be_tormentor(void)
{
    unsigned seconds = (unsigned)number_from("KEEL_CHAOS_SECONDS", SECONDS);
    uint64_t seed = number_from("KEEL_CHAOS_SEED", (uint64_t)time(NULL));
    int wrong = -1;

    if (!test_redis_is_installed())
        return 77;
    printf("KEEL_CHAOS_SEED=%llu KEEL_CHAOS_SECONDS=%u\n", (unsigned long long)seed,
           seconds);
    fflush(stdout);
    chaos.seed = seed * 0x9e3779b97f4a7c15ULL | 1;
    if (set_up()) {
        torment(seconds);
        let_be();
        tear_down();
        wrong = check_logs(chaos.directory, &rules, stdout);
    } else {
        tear_down();
    }
    if (wrong == 0)
        remove_logs();
    else
        printf("%d wrong; the logs are in %s\n", wrong, chaos.directory);
    printf("%d passed, %d failed, 0 skipped\n", wrong == 0, wrong != 0);
    return wrong != 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "member") == 0)
        return be_member(argv[2], argv[3], argv[4]);
    return be_tormentor();
}
