/* SPDX-License-Identifier: MIT */
/*
 * A service that says how it is: /livez for whoever restarts it, /readyz for whoever
 * sends it requests, and a word to systemd. Without an argument it serves both on port
 * 8080; with the address of what it depends on it says what it answers at the start,
 * before anything is known of that.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <keel/keel.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

static keel_health_state check_disk(char *text, size_t size, void *ctx)
{
    struct statvfs disk;

    if (statvfs(ctx, &disk) || !disk.f_blocks)
        return KEEL_HEALTH_WARN;
    snprintf(text, size, "%lu%% free", 100UL * disk.f_bavail / disk.f_blocks);
    return disk.f_bavail < disk.f_blocks / 20 ? KEEL_HEALTH_WARN : KEEL_HEALTH_PASS;
}

static void answer(keel_runtime *rt, const char *request, int fd)
{
    keel_health_report report = { .size = sizeof report };
    char json[4096];

    if (strncmp(request, "GET /livez", 10) == 0)
        (void)keel_health_live(rt, json, sizeof json, &report);
    else
        (void)keel_health_ready(rt, json, sizeof json, &report);
    dprintf(fd,
            "HTTP/1.1 %d \r\nContent-Type: " KEEL_HEALTH_MEDIA_TYPE
            "\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
            report.http_status, report.length, json);
}

static int serve(keel_runtime *rt)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons(8080) };
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
    char request[512];

    signal(SIGPIPE, SIG_IGN); /* who asks may leave before the answer */
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 16))
        return 1;
    (void)keel_health_notify(rt, KEEL_NOTIFY_READY);
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        ssize_t got = recv(fd, request, sizeof request - 1, 0);

        request[got > 0 ? got : 0] = '\0';
        answer(rt, request, fd);
        close(fd);
        (void)keel_health_notify(rt, KEEL_NOTIFY_STATUS);
    }
    return 0;
}

int main(int argc, char **argv)
{
    keel_health_watch_options must = { .size = sizeof must, .critical = true };
    const char *target = argc > 1 ? argv[1] : "http://localhost:80";
    char settings[256], root[] = "/";
    keel_detail why = KEEL_DETAIL_INIT;
    keel_pipeline *payments;
    keel_runtime *rt;
    int rc = 0;

    snprintf(settings, sizeof settings, "health=http:/; health.target=%s", target);
    if (keel_open(&rt, NULL, &why) != KEEL_OK ||
        keel_pipeline_open(&payments, rt, "payments", settings, &why) != KEEL_OK ||
        keel_health_watch(payments, &must, &why) != KEEL_OK ||
        keel_health_add(rt, "disk", check_disk, root, NULL, &why) != KEEL_OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    if (argc > 1)
        answer(rt, "GET /readyz", STDOUT_FILENO);
    else
        rc = serve(rt);
    keel_pipeline_close(payments);
    return keel_close(rt, 1000000000) == KEEL_OK ? rc : 1;
}
