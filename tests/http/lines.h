/* SPDX-License-Identifier: MIT */
/*
 * A server that speaks in lines, as FTP does, one connection after the other. Every line
 * is answered by the first rule it begins with; silence lasts until the client leaves.
 */
#ifndef KEEL_TESTS_HTTP_LINES_H
#define KEEL_TESTS_HTTP_LINES_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct line_rule {
    const char *begins;
    const char *reply; /* NULL: silence */
    atomic_int seen;
} line_rule;

typedef struct line_server {
    uint16_t port;
    int listener;
    pthread_t thread;
    line_rule *rules; /* the last one begins with "": all other lines */
} line_server;

static inline void line_say(int fd, const char *text)
{
    send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static inline bool line_read(int fd, char *line, size_t size)
{
    size_t length = 0;

    while (length < size - 1 && recv(fd, line + length, 1, 0) == 1)
        if (line[length++] == '\n')
            break;
    line[length] = '\0';
    return length > 0;
}

static inline void line_talk(line_server *lines, int fd)
{
    bool is_silent = false;
    char line[512];

    line_say(fd, "220 hello\r\n");
    while (line_read(fd, line, sizeof line)) {
        line_rule *rule = lines->rules;

        while (strncmp(line, rule->begins, strlen(rule->begins)) != 0)
            rule++;
        atomic_fetch_add(&rule->seen, 1);
        is_silent |= !rule->reply;
        if (!is_silent)
            line_say(fd, rule->reply);
    }
}

static inline void *line_serve(void *arg)
{
    line_server *lines = arg;
    int fd;

    while ((fd = accept(lines->listener, NULL, NULL)) >= 0) {
        line_talk(lines, fd);
        close(fd);
    }
    return NULL;
}

static inline bool line_start(line_server *lines, line_rule *rules)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof at;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    lines->rules = rules;
    lines->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (lines->listener < 0 ||
        bind(lines->listener, (struct sockaddr *)&at, size) != 0 ||
        listen(lines->listener, 64) != 0 ||
        getsockname(lines->listener, (struct sockaddr *)&at, &size) != 0)
        return false;
    lines->port = ntohs(at.sin_port);
    return pthread_create(&lines->thread, NULL, line_serve, lines) == 0;
}

/* The client must have closed all connections. */
static inline void line_stop(line_server *lines)
{
    shutdown(lines->listener, SHUT_RDWR);
    pthread_join(lines->thread, NULL);
    close(lines->listener);
}

#endif
