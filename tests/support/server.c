/* SPDX-License-Identifier: MIT */
/* Starting and stopping a private nginx; by pid, never by name. */
#include "support/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_TRIES = 5, POLL_MS = 5, START_POLLS = 2000 };

static const char *const places[] = { "/usr/sbin/nginx", "/usr/local/sbin/nginx",
                                      "/usr/bin/nginx" };

static const char prologue[] = "daemon off;\n"
                               "master_process off;\n"
                               "pid @DIR@/pid;\n"
                               "error_log @DIR@/error.log;\n"
                               "events { worker_connections 256; }\n"
                               "http {\n"
                               "access_log off;\n"
                               "client_body_temp_path @DIR@/body;\n"
                               "proxy_temp_path @DIR@/proxy;\n"
                               "fastcgi_temp_path @DIR@/fastcgi;\n"
                               "uwsgi_temp_path @DIR@/uwsgi;\n"
                               "scgi_temp_path @DIR@/scgi;\n";

static const char *nginx_path(void)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

bool test_server_is_installed(void)
{
    return nginx_path() != NULL;
}

uint16_t test_free_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint16_t port = 0;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return 0;
    if (bind(fd, (struct sockaddr *)&at, size) == 0 &&
        getsockname(fd, (struct sockaddr *)&at, &size) == 0)
        port = ntohs(at.sin_port);
    close(fd);
    return port;
}

static void write_filled(FILE *to, const test_server *s, const char *text)
{
    const char *at;

    for (; (at = strchr(text, '@')) != NULL; text = at) {
        fwrite(text, 1, (size_t)(at - text), to);
        if (strncmp(at, "@PORT@", 6) == 0) {
            fprintf(to, "%u", s->port);
            at += 6;
        } else if (strncmp(at, "@TLS_PORT@", 10) == 0) {
            fprintf(to, "%u", s->tls_port);
            at += 10;
        } else if (strncmp(at, "@DIR@", 5) == 0) {
            fputs(s->dir, to);
            at += 5;
        } else {
            fputc(*at++, to);
        }
    }
    fputs(text, to);
}

static bool write_config(const test_server *s, const char *servers)
{
    char path[96];
    FILE *file;

    snprintf(path, sizeof path, "%s/nginx.conf", s->dir);
    file = fopen(path, "we");
    if (!file)
        return false;
    write_filled(file, s, prologue);
    write_filled(file, s, servers);
    fputs("\n}\n", file);
    return fclose(file) == 0;
}

static pid_t spawn(const test_server *s)
{
    char config[96], errors[96];
    pid_t pid;

    snprintf(config, sizeof config, "%s/nginx.conf", s->dir);
    snprintf(errors, sizeof errors, "%s/error.log", s->dir);
    pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl(nginx_path(), "nginx", "-p", s->dir, "-c", config, "-e", errors,
          (char *)NULL);
    _exit(127);
}

/* nginx writes its pid file after it listens, and before it answers. */
static bool is_listening(const test_server *s)
{
    char path[96];
    struct stat file;

    snprintf(path, sizeof path, "%s/pid", s->dir);
    return stat(path, &file) == 0 && file.st_size > 0;
}

static bool await_listening(test_server *s)
{
    const struct timespec pause = { 0, POLL_MS * 1000000L };

    for (int i = 0; i < START_POLLS; i++) {
        if (is_listening(s))
            return true;
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
            s->pid = 0;
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return false;
}

static void print_errors(const test_server *s)
{
    char path[96], line[512];
    FILE *file;

    snprintf(path, sizeof path, "%s/error.log", s->dir);
    file = fopen(path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof line, file))
        fputs(line, stderr);
    fclose(file);
}

bool test_server_init(test_server *s)
{
    *s = (test_server){ .dir = "/tmp/keel-nginx-XXXXXX" };
    if (mkdtemp(s->dir))
        return true;
    s->dir[0] = '\0';
    return false;
}

static bool start_once(test_server *s, const char *servers)
{
    if (!write_config(s, servers))
        return false;
    s->pid = spawn(s);
    if (s->pid < 0)
        s->pid = 0;
    if (s->pid && await_listening(s))
        return true;
    test_server_stop(s);
    return false;
}

/* A free port may be taken between asking for it and listening: then others are tried.
 */
bool test_server_start(test_server *s, const char *servers)
{
    bool keeps_ports = s->port != 0;

    if (!nginx_path() || (!s->dir[0] && !test_server_init(s)))
        return false;
    for (int i = 0; i < START_TRIES; i++) {
        if (!keeps_ports) {
            s->port = test_free_port();
            s->tls_port = test_free_port();
        }
        if (start_once(s, servers))
            return true;
    }
    print_errors(s);
    return false;
}

void test_server_stop(test_server *s)
{
    char path[96];

    if (!s->pid)
        return;
    kill(s->pid, SIGCONT);
    kill(s->pid, SIGKILL);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    s->pid = 0;
    snprintf(path, sizeof path, "%s/pid", s->dir);
    unlink(path);
}

static int remove_entry(const char *path, const struct stat *file, int kind,
                        struct FTW *walk)
{
    (void)file;
    (void)kind;
    (void)walk;
    return remove(path);
}

void test_server_cleanup(test_server *s)
{
    test_server_stop(s);
    if (s->dir[0])
        nftw(s->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    s->dir[0] = '\0';
}
