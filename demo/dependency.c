/* SPDX-License-Identifier: MIT */
/* nginx, made sick by its own configuration or by a signal; by pid, never by name. */
#include "dependency.h"

#include <arpa/inet.h>
#include <errno.h>
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

static const char nginx[] = "/usr/sbin/nginx";
static const char echo_module[] = "/usr/lib/nginx/modules/ngx_http_echo_module.so";

/*
 * Ports below those the system hands out by itself: a client that calls a dead port
 * among those may be given this very port as its own, and be connected to itself.
 */
enum { FIRST_PORT = 18080, LAST_PORT = 18999, POLL_MS = 5, START_POLLS = 2000 };

static const char *const answers[] = {
    [MOOD_WELL] = "echo_sleep 0.02; echo well;",
    [MOOD_DEAD] = "",
    [MOOD_SLOW] = "echo_sleep 2.02; echo slow;",
    [MOOD_FLAKY] = "if ($unlucky) { return 503; } echo_sleep 0.02; echo flaky;",
};

bool dependency_is_installed(void)
{
    return access(nginx, X_OK) == 0 && access(echo_module, R_OK) == 0;
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

static bool make_dir(dependency *d)
{
    const char *tmp = getenv("TMPDIR");
    int length;

    if (!tmp || !*tmp)
        tmp = "/tmp";
    length = snprintf(d->dir, sizeof d->dir, "%s/keel-demo-XXXXXX", tmp);
    if (length > 0 && (size_t)length < sizeof d->dir && mkdtemp(d->dir))
        return true;
    fprintf(stderr, "no directory can be made in %s\n", tmp);
    d->dir[0] = '\0';
    return false;
}

bool dependency_init(dependency *d)
{
    *d = (dependency){ .port = free_port() };
    if (!d->port) {
        fprintf(stderr, "no free port from %d to %d\n", FIRST_PORT, LAST_PORT);
        return false;
    }
    snprintf(d->url, sizeof d->url, "http://127.0.0.1:%u/", d->port);
    return make_dir(d);
}

static bool write_config(const dependency *d, mood wanted)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/nginx.conf", d->dir);
    file = fopen(path, "we");
    if (!file)
        return false;
    fprintf(file,
            "load_module %s;\n"
            "daemon off;\n"
            "worker_processes 1;\n"
            "pid %s/pid;\n"
            "error_log %s/error.log;\n"
            "events { worker_connections 512; }\n"
            "http {\n"
            "    access_log off;\n",
            echo_module, d->dir, d->dir);
    for (const char *const *kind =
             (const char *const[]){ "client_body", "proxy", "fastcgi", "uwsgi", "scgi",
                                    NULL };
         *kind; kind++)
        fprintf(file, "    %s_temp_path %s/%s;\n", *kind, d->dir, *kind);
    fprintf(file,
            "    split_clients $request_id $unlucky { 30%% 1; * 0; }\n"
            "    server {\n"
            "        listen 127.0.0.1:%u;\n"
            "        location / { %s }\n"
            "    }\n"
            "}\n",
            d->port, answers[wanted]);
    return fclose(file) == 0;
}

/*
 * A process group of its own: one signal reaches master and worker, and the terminal's
 * Ctrl-C reaches neither. Should we vanish, nginx is told to end.
 */
static pid_t spawn(const dependency *d)
{
    char config[256], errors[256];
    pid_t parent = getpid(), pid;

    snprintf(config, sizeof config, "%s/nginx.conf", d->dir);
    snprintf(errors, sizeof errors, "%s/error.log", d->dir);
    pid = fork();
    if (pid > 0)
        setpgid(pid, pid); /* by both: whoever is first */
    if (pid != 0)
        return pid;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(0);
    execl(nginx, "nginx", "-p", d->dir, "-c", config, "-e", errors, (char *)NULL);
    _exit(127);
}

/* nginx writes its pid file when it listens. */
static bool await_listening(dependency *d)
{
    const struct timespec pause = { 0, POLL_MS * 1000000L };
    char path[256];
    struct stat file;

    snprintf(path, sizeof path, "%s/pid", d->dir);
    for (int i = 0; i < START_POLLS; i++) {
        if (stat(path, &file) == 0 && file.st_size > 0)
            return true;
        if (waitpid(d->pid, NULL, WNOHANG) == d->pid) {
            d->pid = 0;
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return false;
}

static void print_errors(const dependency *d)
{
    char path[256], line[512];
    FILE *file;

    fprintf(stderr, "nginx does not start:\n");
    snprintf(path, sizeof path, "%s/error.log", d->dir);
    file = fopen(path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof line, file))
        fputs(line, stderr);
    fclose(file);
}

static bool start(dependency *d)
{
    pid_t pid = spawn(d);

    if (pid < 0) {
        perror("fork");
        return false;
    }
    d->pid = pid;
    if (await_listening(d))
        return true;
    print_errors(d);
    return false;
}

static void kill_now(dependency *d)
{
    char path[256];

    if (!d->pid)
        return;
    kill(-d->pid, SIGKILL);
    while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    d->pid = 0;
    snprintf(path, sizeof path, "%s/pid", d->dir);
    unlink(path);
}

bool dependency_become(dependency *d, mood wanted)
{
    if (wanted == MOOD_DEAD) {
        kill_now(d);
        return true;
    }
    if (!write_config(d, wanted)) {
        perror("nginx.conf");
        return false;
    }
    if (!d->pid)
        return start(d);
    return kill(d->pid, SIGHUP) == 0;
}

static int remove_entry(const char *path, const struct stat *file, int kind,
                        struct FTW *walk)
{
    (void)file;
    (void)kind;
    (void)walk;
    return remove(path);
}

void dependency_cleanup(dependency *d)
{
    kill_now(d);
    if (d->dir[0])
        nftw(d->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    d->dir[0] = '\0';
}
