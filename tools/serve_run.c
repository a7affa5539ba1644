/* SPDX-License-Identifier: MIT */
/*
 * The first thread: it takes connections in, hands each to the worker with the fewest,
 * and waits for signals. It never speaks to a client, but to say that there is no place.
 */
#include "serve_run.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/wall.h"
#include "keel.h"
#include "serve_notify.h"
#include "serve_worker.h"

enum {
    ACCEPTS = 64,     /* at once */
    BREATH_MS = 100,  /* without descriptors, before the next try */
    OWN_FILES = 64,   /* descriptors beside those of clients */
    SPARE_FILES = 256 /* for what the bag connects to */
};

/* What an event of the first thread's is about; below: the listener of that number. */
enum { SIGNAL_CAME = KEEL_SERVE_LISTENERS, WORKER_ENDED };

typedef struct server {
    const keel_serve_plan *plan;
    keel_serve_house house;
    keel_serve_listeners listeners;
    keel_serve_worker *workers;
    size_t worker_count;
    int epoll_fd, signal_fd;
    bool is_out_of_breath;
    time_t began_s;
    _Atomic uint64_t taken_in, turned_away;
} server;

/* ---- stats --------------------------------------------------------------------------- */

static void put_stat(keel_serve_buffer *out, const char *name, uint64_t number)
{
    keel_serve_put_text(out, "STAT ");
    keel_serve_put_text(out, name);
    keel_serve_put_text(out, " ");
    keel_serve_put_number(out, number);
    keel_serve_put_text(out, "\r\n");
}

static uint64_t total(const server *s, keel_serve_count_name name)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < s->worker_count; i++)
        sum += keel_serve_counted(&s->workers[i].desk.counts, name);
    return sum;
}

static void put_bag(const server *s, keel_serve_buffer *out)
{
    char text[512];

    keel_bag_describe(s->house.source.bag, text, sizeof text);
    keel_serve_put_text(out, "STAT bag ");
    keel_serve_put_text(out, text);
    keel_serve_put_text(out, "\r\nSTAT version 1.6.0-keel-");
    keel_serve_put_text(out, keel_version());
    keel_serve_put_text(out, "\r\n");
}

static void put_stats(keel_serve_buffer *out, void *ctx)
{
    static const char *const names[] = {
#define NAME(name, text) text,
        KEEL_SERVE_COUNT_MAP(NAME)
#undef NAME
    };
    const server *s = ctx;
    int64_t now_s = keel_wall_seconds();

    put_stat(out, "pid", (uint64_t)getpid());
    put_stat(out, "uptime", now_s > s->began_s ? (uint64_t)(now_s - s->began_s) : 0);
    put_stat(out, "time", (uint64_t)now_s);
    put_bag(s, out);
    put_stat(out, "max_connections", s->plan->connections);
    put_stat(out, "curr_connections",
             atomic_load_explicit(&s->house.connections, memory_order_relaxed));
    put_stat(out, "total_connections",
             atomic_load_explicit(&s->taken_in, memory_order_relaxed));
    put_stat(out, "rejected_connections",
             atomic_load_explicit(&s->turned_away, memory_order_relaxed));
    put_stat(out, "threads", s->worker_count);
    for (int i = 0; i < KEEL_SERVE_COUNTS; i++)
        put_stat(out, names[i], total(s, (keel_serve_count_name)i));
}

/* ---- taking in ----------------------------------------------------------------------- */

static void turn_away(server *s, int fd)
{
    static const char words[] = "ERROR Too many open connections\r\n";

    (void)!send(fd, words, sizeof words - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
    atomic_fetch_add_explicit(&s->turned_away, 1, memory_order_relaxed);
}

static keel_serve_worker *least_busy(server *s)
{
    keel_serve_worker *best = s->workers;

    for (size_t i = 1; i < s->worker_count; i++)
        if (atomic_load_explicit(&s->workers[i].load, memory_order_relaxed) <
            atomic_load_explicit(&best->load, memory_order_relaxed))
            best = &s->workers[i];
    return best;
}

static void take_in(server *s, int fd)
{
    const int on = 1;
    keel_serve_connection *c;

    if (atomic_load_explicit(&s->house.connections, memory_order_relaxed) >=
        s->plan->connections) {
        turn_away(s, fd);
        return;
    }
    c = keel_serve_connection_new(fd, s->house.line_max, s->house.value_max);
    if (!c) {
        turn_away(s, fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* unix has none */
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on,
                     sizeof on); /* or the dead stay */
    atomic_fetch_add_explicit(&s->house.connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->taken_in, 1, memory_order_relaxed);
    keel_serve_worker_give(least_busy(s), c);
}

static void watch(server *s, uint32_t events, int operation)
{
    for (size_t i = 0; i < s->listeners.count; i++) {
        struct epoll_event event = { .events = events, .data.u64 = i };

        epoll_ctl(s->epoll_fd, operation, s->listeners.all[i].fd, &event);
    }
}

/* Without descriptors a listener would be ready for ever, and nobody could come in. */
static void lose_breath(server *s)
{
    s->is_out_of_breath = true;
    watch(s, 0, EPOLL_CTL_MOD);
}

static void regain_breath(server *s)
{
    s->is_out_of_breath = false;
    watch(s, EPOLLIN, EPOLL_CTL_MOD);
}

static void accept_some(server *s, int listener)
{
    for (unsigned i = 0; i < ACCEPTS; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            take_in(s, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            lose_breath(s);
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

/* ---- waiting ------------------------------------------------------------------------- */

static int signal_number(const server *s)
{
    struct signalfd_siginfo info;

    if (read(s->signal_fd, &info, sizeof info) != sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

/* An operator's word to the bag, for as long as this server runs. */
static void set_readonly(server *s, bool on)
{
    keel_detail why = KEEL_DETAIL_INIT;
    char answer[64];

    if (keel_bag_control(s->house.source.bag, NULL, on ? "readonly on" : "readonly off",
                         answer, sizeof answer, &why) == KEEL_OK)
        fprintf(stderr, "keel serve: %s\n", answer);
    else
        fprintf(stderr, "keel serve: %s\n", why.text);
}

/* Those that are no end are dealt with here. */
static int stop_signal(server *s)
{
    int number = signal_number(s);

    if (number != SIGUSR1 && number != SIGUSR2)
        return number;
    set_readonly(s, number == SIGUSR1);
    return 0;
}

/* Until the first signal that ends it. */
static void serve(server *s)
{
    for (;;) {
        struct epoll_event events[KEEL_SERVE_LISTENERS + 2];
        int count = epoll_wait(s->epoll_fd, events, KEEL_SERVE_LISTENERS + 2,
                               s->is_out_of_breath ? BREATH_MS : -1);

        if (!count && s->is_out_of_breath)
            regain_breath(s);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u64 == SIGNAL_CAME && stop_signal(s))
                return;
            if (events[i].data.u64 < s->listeners.count)
                accept_some(s, s->listeners.all[events[i].data.u64].fd);
        }
    }
}

static int grace_ms(const server *s)
{
    uint64_t now = keel_now(s->house.source.runtime);
    uint64_t left = keel_ns_left(s->house.grace_at_ns, now) / KEEL_MS + 1;

    return left > INT32_MAX ? INT32_MAX : (int)left;
}

/* When their time is over, whoever still waits for the bag no longer does. A second
 * signal ends it at once. */
static void await_workers(server *s)
{
    size_t ended = 0;
    bool is_cancelled = false;

    while (ended < s->worker_count) {
        struct epoll_event event;
        int count = epoll_wait(s->epoll_fd, &event, 1, is_cancelled ? -1 : grace_ms(s));
        uint64_t more;
        int number;

        if (!count) {
            is_cancelled = true;
            keel_cancel_fire(&s->house.source.cancel);
        } else if (count > 0 && event.data.u64 == SIGNAL_CAME) {
            number = stop_signal(s);
            if (number)
                _exit(128 + number);
        } else if (count > 0 && read(s->house.ended_fd, &more, sizeof more) > 0) {
            ended += more;
        }
    }
}

static void stop(server *s)
{
    keel_serve_notify("STOPPING=1");
    keel_serve_unlisten(&s->listeners);
    s->house.grace_at_ns =
        keel_ns_add(keel_now(s->house.source.runtime), s->plan->grace_ns);
    /* release pairs with the acquire of the workers: they see grace_at_ns */
    atomic_store_explicit(&s->house.is_stopping, true, memory_order_release);
    for (size_t i = 0; i < s->worker_count; i++)
        keel_serve_worker_wake(&s->workers[i]);
}

/* ---- beginning ----------------------------------------------------------------------- */

static int complain(const char *what, int code)
{
    fprintf(stderr, "keel serve: %s\n", what);
    return code;
}

static int open_source(server *s)
{
    keel_serve_source *source = &s->house.source;
    keel_detail why = KEEL_DETAIL_INIT;

    source->timeout_ns = s->plan->timeout_ns;
    source->stats = put_stats;
    source->stats_ctx = s;
    source->abilities.size = sizeof source->abilities;
    if (keel_open(&source->runtime, NULL, &why) == KEEL_OK &&
        keel_bag_open(&source->bag, source->runtime, "keel-serve", s->plan->spec,
                      &why) == KEEL_OK &&
        keel_bag_look(source->bag, &source->abilities) == KEEL_OK)
        return 0;
    return complain(why.text,
                    why.code == KEEL_E_CONFIG || why.code == KEEL_E_UNSUPPORTED
                        ? KEEL_EXIT_CONFIG
                        : KEEL_EXIT_SYSTEM);
}

static void close_source(keel_serve_source *source)
{
    keel_bag_close(source->bag);
    keel_close(source->runtime, KEEL_S); /* reads that have lost a hedge */
}

static int open_listeners(server *s)
{
    char why[KEEL_SERVE_WHY];

    for (size_t i = 0; i < s->plan->address_count; i++)
        if (!keel_serve_listen(&s->listeners, s->plan->addresses[i],
                               s->plan->socket_mode, why))
            return complain(why, KEEL_EXIT_UNAVAILABLE);
    return 0;
}

static bool watch_for(server *s, int fd, uint64_t what)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = what };

    return fd >= 0 && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static sigset_t own_signals(void)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGUSR1, SIGUSR2 };
    sigset_t signals;

    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaddset(&signals, numbers[i]);
    return signals;
}

static bool open_waits(server *s)
{
    const sigset_t signals = own_signals();

    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    s->house.ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    watch(s, EPOLLIN, EPOLL_CTL_ADD);
    return s->epoll_fd >= 0 && watch_for(s, s->signal_fd, SIGNAL_CAME) &&
           watch_for(s, s->house.ended_fd, WORKER_ENDED);
}

static void close_waits(server *s)
{
    const int fds[] = { s->epoll_fd, s->signal_fd, s->house.ended_fd };

    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Each worker looks at house.is_stopping, so those that have been started can end. */
static bool start_workers(server *s)
{
    s->workers = calloc(s->plan->threads, sizeof *s->workers);
    while (s->workers && s->worker_count < s->plan->threads) {
        if (!keel_serve_worker_start(&s->workers[s->worker_count], &s->house))
            return false;
        s->worker_count++;
    }
    return s->workers;
}

/* Every client takes a descriptor. */
static void allow_files(const keel_serve_plan *plan)
{
    rlim_t needed = plan->connections + plan->threads * 2 + OWN_FILES + SPARE_FILES;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= needed)
        return;
    limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < needed)
        fprintf(stderr,
                "keel serve: %" PRIu64 " connections need %ju open files, %ju are "
                "allowed (ulimit -n)\n",
                plan->connections, (uintmax_t)needed, (uintmax_t)limit.rlim_cur);
}

/* The threads that keel and we start leave signals to the first one. */
static void hold_signals(void)
{
    const sigset_t signals = own_signals();

    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- from its beginning to its end --------------------------------------------------- */

static void say_ready(const server *s)
{
    for (size_t i = 0; i < s->listeners.count; i++)
        printf("keel serve: listening on %s\n", s->listeners.all[i].address);
    fflush(stdout);
    keel_serve_notify("READY=1");
}

static int serve_until_stopped(server *s)
{
    int code = 0;

    s->began_s = keel_wall_seconds();
    if (!start_workers(s) || !open_waits(s)) {
        code = complain(strerror(errno), KEEL_EXIT_SYSTEM);
    } else {
        say_ready(s);
        serve(s);
    }
    stop(s);
    if (!code)
        await_workers(s);
    for (size_t i = 0; i < s->worker_count; i++)
        keel_serve_worker_join(&s->workers[i]);
    close_waits(s);
    free(s->workers);
    return code;
}

int keel_serve_run(const keel_serve_plan *plan)
{
    server s = { .plan = plan, .epoll_fd = -1, .signal_fd = -1 };
    int code;

    s.house.ended_fd = -1;
    s.house.line_max = plan->line_max;
    s.house.value_max = plan->value_max;
    s.house.idle_ns = plan->idle_ns;
    hold_signals();
    allow_files(plan);
    code = open_source(&s);
    if (!code && s.house.source.abilities.value_max < s.house.value_max)
        s.house.value_max = s.house.source.abilities.value_max;
    if (!code)
        code = open_listeners(&s);
    if (!code)
        code = serve_until_stopped(&s);
    keel_serve_unlisten(&s.listeners);
    close_source(&s.house.source);
    return code;
}
