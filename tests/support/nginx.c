/* SPDX-License-Identifier: MIT */
/* Starting and stopping a private nginx. */
#include "support/nginx.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/pause.h"

enum { POLL_MS = 5, START_POLLS = 2000 };

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

bool nginx_init(nginx *n)
{
    return spawned_init(&n->process, "nginx");
}

/* ---- configuration --------------------------------------------------------------- */

FILE *nginx_config_begin(const nginx *n, const char *directives)
{
    static const char *const kinds[] = { "client_body", "proxy", "fastcgi", "uwsgi",
                                         "scgi" };
    char path[SPAWNED_PATH_SIZE];
    FILE *config;

    spawned_path(&n->process, "nginx.conf", path);
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
            directives, n->process.dir, n->process.dir);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        fprintf(config, "%s_temp_path %s/%s;\n", kinds[i], n->process.dir, kinds[i]);
    return config;
}

bool nginx_config_end(FILE *config)
{
    fputs("\n}\n", config);
    return fclose(config) == 0;
}

/* ---- starting -------------------------------------------------------------------- */

static bool spawn(nginx *n, int at_our_end)
{
    char config[SPAWNED_PATH_SIZE], errors[SPAWNED_PATH_SIZE];
    const char *const argv[] = { nginx_path(), "-p", n->process.dir, "-c",
                                 config,       "-e", errors,         NULL };

    spawned_path(&n->process, "nginx.conf", config);
    spawned_path(&n->process, "error.log", errors);
    return argv[0] && spawned_start(&n->process, at_our_end, argv);
}

/* nginx writes its pid file after it listens, and before it answers. */
static bool is_listening(const nginx *n)
{
    char path[SPAWNED_PATH_SIZE];
    struct stat file;

    spawned_path(&n->process, "pid", path);
    return stat(path, &file) == 0 && file.st_size > 0;
}

static bool await_listening(nginx *n)
{
    for (int i = 0; i < START_POLLS; i++) {
        if (is_listening(n))
            return true;
        if (spawned_has_ended(&n->process))
            return false;
        pause_ns(POLL_MS * KEEL_MS);
    }
    return false;
}

bool nginx_start(nginx *n, int at_our_end)
{
    if (spawn(n, at_our_end) && await_listening(n))
        return true;
    nginx_stop(n);
    return false;
}

void nginx_print_errors(const nginx *n)
{
    fprintf(stderr, "nginx does not start:\n");
    spawned_print_output(&n->process);
}

/* ---- stopping -------------------------------------------------------------------- */

/* Its pid file stays behind, and would say that the next one listens already. */
void nginx_stop(nginx *n)
{
    char path[SPAWNED_PATH_SIZE];

    if (!n->process.pid)
        return;
    spawned_stop(&n->process);
    spawned_path(&n->process, "pid", path);
    unlink(path);
}

void nginx_cleanup(nginx *n)
{
    spawned_cleanup(&n->process);
}
