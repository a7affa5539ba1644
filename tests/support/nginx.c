/* SPDX-License-Identifier: MIT */
/* Starting and stopping a private nginx. */
#include "support/nginx.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = 256, POLL_MS = 5, START_POLLS = 2000 };

static const char *const places[] = { "/usr/sbin/nginx", "/usr/local/sbin/nginx",
                                      "/usr/bin/nginx" };

static const char *nginx_path(void)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

bool nginx_is_installed(void)
{
    return nginx_path() != NULL;
}

static void path_in(const nginx *n, const char *name, char *path)
{
    snprintf(path, PATH_SIZE, "%s/%s", n->dir, name);
}

bool nginx_init(nginx *n)
{
    const char *tmp = getenv("TMPDIR");
    int length;

    *n = (nginx){ .pid = 0 };
    if (!tmp || !*tmp)
        tmp = "/tmp";
    length = snprintf(n->dir, sizeof n->dir, "%s/keel-nginx-XXXXXX", tmp);
    if (length > 0 && (size_t)length < sizeof n->dir && mkdtemp(n->dir))
        return true;
    fprintf(stderr, "no directory can be made in %s\n", tmp);
    n->dir[0] = '\0';
    return false;
}

/* ---- configuration --------------------------------------------------------------- */

FILE *nginx_config_begin(const nginx *n, const char *directives)
{
    static const char *const kinds[] = { "client_body", "proxy", "fastcgi", "uwsgi",
                                         "scgi" };
    char path[PATH_SIZE];
    FILE *config;

    path_in(n, "nginx.conf", path);
    config = fopen(path, "we");
    if (!config)
        return NULL;
    fprintf(config,
            "%s"
            "daemon off;\n"
            "pid %s/pid;\n"
            "error_log %s/error.log;\n"
            "events { worker_connections 512; }\n"
            "http {\n"
            "access_log off;\n",
            directives, n->dir, n->dir);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        fprintf(config, "%s_temp_path %s/%s;\n", kinds[i], n->dir, kinds[i]);
    return config;
}

bool nginx_config_end(FILE *config)
{
    fputs("\n}\n", config);
    return fclose(config) == 0;
}

/* ---- starting -------------------------------------------------------------------- */

/*
 * A process group of its own: one signal reaches all of it, and the terminal's Ctrl-C
 * does not.
 */
static pid_t spawn(const nginx *n, int at_our_end)
{
    char config[PATH_SIZE], errors[PATH_SIZE];
    pid_t parent = getpid(), pid;

    path_in(n, "nginx.conf", config);
    path_in(n, "error.log", errors);
    pid = fork();
    if (pid > 0)
        setpgid(pid, pid); /* by both: whoever is first */
    if (pid != 0)
        return pid;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, at_our_end);
    if (getppid() != parent)
        _exit(0);
    execl(nginx_path(), "nginx", "-p", n->dir, "-c", config, "-e", errors,
          (char *)NULL);
    _exit(127);
}

/* nginx writes its pid file after it listens, and before it answers. */
static bool is_listening(const nginx *n)
{
    char path[PATH_SIZE];
    struct stat file;

    path_in(n, "pid", path);
    return stat(path, &file) == 0 && file.st_size > 0;
}

static bool await_listening(nginx *n)
{
    const struct timespec pause = { 0, POLL_MS * 1000000L };

    for (int i = 0; i < START_POLLS; i++) {
        if (is_listening(n))
            return true;
        if (waitpid(n->pid, NULL, WNOHANG) == n->pid) {
            n->pid = 0;
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return false;
}

bool nginx_start(nginx *n, int at_our_end)
{
    pid_t pid = nginx_is_installed() ? spawn(n, at_our_end) : -1;

    if (pid < 0)
        return false;
    n->pid = pid;
    if (await_listening(n))
        return true;
    nginx_stop(n);
    return false;
}

void nginx_print_errors(const nginx *n)
{
    char path[PATH_SIZE], line[512];
    FILE *file;

    fprintf(stderr, "nginx does not start:\n");
    path_in(n, "error.log", path);
    file = fopen(path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof line, file))
        fputs(line, stderr);
    fclose(file);
}

/* ---- stopping -------------------------------------------------------------------- */

void nginx_stop(nginx *n)
{
    char path[PATH_SIZE];

    if (!n->pid)
        return;
    kill(-n->pid, SIGKILL);
    while (waitpid(n->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    n->pid = 0;
    path_in(n, "pid", path);
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

void nginx_cleanup(nginx *n)
{
    nginx_stop(n);
    if (n->dir[0])
        nftw(n->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    n->dir[0] = '\0';
}
