/* SPDX-License-Identifier: MIT */
/* Starting, freezing and stopping servers on node. */
#include "support/node_server.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/loopback.h"
#include "support/pause.h"

enum { POLL_MS = 10, READY_POLLS = 3000, START_TRIES = 5, PORT_SIZE = 8 };

/* ---- where they are -------------------------------------------------------------- */

static const char *node_path(void)
{
    static const char *const places[] = { "/usr/bin/node", "/usr/local/bin/node" };

    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

/* A file of tests/support/node. */
static void support_path(const char *name, char path[SPAWNED_PATH_SIZE])
{
    const char *source = getenv("srcdir");

    snprintf(path, SPAWNED_PATH_SIZE, "%s/tests/support/node/%s", source ? source : ".",
             name);
}

/* The program of a kind. */
static void script_path(node_server_kind kind, char path[SPAWNED_PATH_SIZE])
{
    const char *modules = getenv("TEST_NODE_SERVERS");

    modules = modules ? modules : ".";
    if (kind == NODE_DYNALITE)
        snprintf(path, SPAWNED_PATH_SIZE, "%s/node_modules/dynalite/cli.js", modules);
    else if (kind == NODE_S3RVER)
        snprintf(path, SPAWNED_PATH_SIZE, "%s/node_modules/s3rver/bin/s3rver.js",
                 modules);
    else
        support_path("objects.mjs", path);
}

bool node_server_is_installed(node_server_kind kind)
{
    char path[SPAWNED_PATH_SIZE];

    script_path(kind, path);
    return node_path() && access(path, R_OK) == 0;
}

/* ---- asking ---------------------------------------------------------------------- */

typedef struct sink {
    char *at;
    size_t size;
    size_t length;
} sink;

static size_t take(char *from, size_t one, size_t length, void *ctx)
{
    sink *s = ctx;

    (void)one;
    for (size_t i = 0; i < length && s->length + 1 < s->size; i++)
        s->at[s->length++] = from[i];
    if (s->size)
        s->at[s->length] = '\0';
    return length;
}

long node_server_post(const node_server *n, const char *path,
                      const char *const headers[], const char *body, char *answer,
                      size_t size)
{
    sink s = { answer, size, 0 };
    struct curl_slist *lines = NULL;
    CURL *easy = curl_easy_init();
    char url[128];
    long status = 0;

    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", n->port, path);
    for (; headers && *headers; headers++)
        lines = curl_slist_append(lines, *headers);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &s);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, 5L);
    if (curl_easy_perform(easy) == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    curl_slist_free_all(lines);
    return status;
}

bool node_server_write(const node_server *n, const char *name, const char *text,
                       char path[SPAWNED_PATH_SIZE])
{
    FILE *file;

    spawned_path(&n->process, name, path);
    file = fopen(path, "we");
    if (!file)
        return false;
    fchmod(fileno(file), 0600);
    fputs(text, file);
    return fclose(file) == 0;
}

/* ---- starting -------------------------------------------------------------------- */

static bool await(node_server *n)
{
    for (int i = 0; i < READY_POLLS; i++) {
        if (node_server_post(n, "/-/requests", NULL, "", NULL, 0))
            return true;
        if (spawned_has_ended(&n->process))
            break;
        pause_ns(POLL_MS * KEEL_MS);
    }
    return false;
}

static bool spawn(node_server *n)
{
    char script[SPAWNED_PATH_SIZE], written[SPAWNED_PATH_SIZE];
    char port[PORT_SIZE], data[SPAWNED_PATH_SIZE];
    const char *const dynalite[] = {
        node_path(),       script, "--host",          "127.0.0.1", "--port", port,
        "--createTableMs", "0",    "--deleteTableMs", "0",         NULL
    };
    const char *const s3rver[] = { node_path(),
                                   written,
                                   script,
                                   "-d",
                                   data,
                                   "-a",
                                   "127.0.0.1",
                                   "-p",
                                   port,
                                   "-s",
                                   "--no-vhost-buckets",
                                   "--configure-bucket",
                                   "keel-test",
                                   NULL };
    const char *const objects[] = { node_path(), script, port, NULL };
    const char *const as_s3[] = { node_path(), script, port, "id", "secret", NULL };
    const char *const *const argv[] = { [NODE_DYNALITE] = dynalite,
                                        [NODE_S3RVER] = s3rver,
                                        [NODE_OBJECTS] = objects,
                                        [NODE_OBJECTS_S3] = as_s3 };

    script_path(n->kind, script);
    support_path("s3rver_written.cjs", written);
    snprintf(port, sizeof port, "%u", n->port);
    spawned_path(&n->process, "data", data);
    return spawned_start(&n->process, SIGKILL, argv[n->kind]);
}

/* A free port may be taken between asking for it and listening: then others are tried. */
bool node_server_start(node_server *n, node_server_kind kind)
{
    *n = (node_server){ .kind = kind };
    if (!spawned_init(&n->process, "node"))
        return false;
    for (int i = 0; i < START_TRIES; i++) {
        n->port = loopback_free_port();
        if (spawn(n) && await(n))
            return true;
        node_server_stop(n);
    }
    fprintf(stderr, "the server does not start:\n");
    spawned_print_output(&n->process);
    node_server_cleanup(n);
    return false;
}

bool node_server_start_again(node_server *n)
{
    node_server_stop(n);
    return spawn(n) && await(n);
}

/* ---- stopping -------------------------------------------------------------------- */

void node_server_stop(node_server *n)
{
    spawned_stop(&n->process);
}

void node_server_freeze(const node_server *n)
{
    kill(n->process.pid, SIGSTOP);
}

void node_server_thaw(const node_server *n)
{
    kill(n->process.pid, SIGCONT);
}

void node_server_cleanup(node_server *n)
{
    spawned_cleanup(&n->process);
}
