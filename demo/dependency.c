/* SPDX-License-Identifier: MIT */
/* nginx, made sick by its own configuration or by a signal. */
#include "dependency.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static const char echo_module[] = "/usr/lib/nginx/modules/ngx_http_echo_module.so";

/*
 * Ports below those the system hands out by itself: a client that calls a dead port
 * among those may be given this very port as its own, and be connected to itself.
 */
enum { FIRST_PORT = 18080, LAST_PORT = 18999 };

static const char *const answers[] = {
    [MOOD_WELL] = "echo_sleep 0.02; echo well;",
    [MOOD_DEAD] = "",
    [MOOD_SLOW] = "echo_sleep 2.02; echo slow;",
    [MOOD_FLAKY] = "if ($unlucky) { return 503; } echo_sleep 0.02; echo flaky;",
};

bool dependency_is_installed(void)
{
    return nginx_is_installed() && access(echo_module, R_OK) == 0;
}

static bool port_is_free(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_free;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_free = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0)
        close(fd);
    return is_free;
}

/* Begins at a place of its own, so that two demonstrations at once do not meet. */
static uint16_t free_port(void)
{
    const int count = LAST_PORT - FIRST_PORT + 1;

    for (int i = 0; i < count; i++) {
        uint16_t port = (uint16_t)(FIRST_PORT + (getpid() + i) % count);

        if (port_is_free(port))
            return port;
    }
    return 0;
}

bool dependency_init(dependency *d)
{
    *d = (dependency){ .port = free_port() };
    if (!d->port) {
        fprintf(stderr, "no free port from %d to %d\n", FIRST_PORT, LAST_PORT);
        return false;
    }
    snprintf(d->url, sizeof d->url, "http://127.0.0.1:%u/", d->port);
    return nginx_init(&d->nginx);
}

/* A master and its worker: nginx reads a changed configuration only so. */
static bool write_config(const dependency *d, mood wanted)
{
    char directives[sizeof echo_module + 64];
    FILE *config;

    snprintf(directives, sizeof directives, "load_module %s;\nworker_processes 1;\n",
             echo_module);
    config = nginx_config_begin(&d->nginx, directives);
    if (!config)
        return false;
    fprintf(config,
            "split_clients $request_id $unlucky { 30%% 1; * 0; }\n"
            "server {\n"
            "    listen 127.0.0.1:%u;\n"
            "    location / { %s }\n"
            "}\n",
            d->port, answers[wanted]);
    return nginx_config_end(config);
}

bool dependency_become(dependency *d, mood wanted)
{
    if (wanted == MOOD_DEAD) {
        nginx_stop(&d->nginx);
        return true;
    }
    if (!write_config(d, wanted)) {
        perror("nginx.conf");
        return false;
    }
    if (d->nginx.process.pid)
        return kill(d->nginx.process.pid, SIGHUP) == 0;
    if (nginx_start(&d->nginx, SIGTERM))
        return true;
    nginx_print_errors(&d->nginx);
    return false;
}

void dependency_cleanup(dependency *d)
{
    nginx_cleanup(&d->nginx);
}
