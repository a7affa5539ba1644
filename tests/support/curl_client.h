/* SPDX-License-Identifier: MIT */
/* A pipeline, an easy handle and a sink that remembers: what every test of curl needs.
 */
#ifndef KEEL_TESTS_SUPPORT_CURL_CLIENT_H
#define KEEL_TESTS_SUPPORT_CURL_CLIENT_H

#include <curl/curl.h>
#include <keel/keel.h>

typedef struct curl_client {
    keel_runtime *runtime;
    keel_pipeline *pipeline;
    CURL *easy;
    keel_call_options call;    /* what options.call points at */
    keel_curl_options options; /* ctx is the client; hooks are not set */
    keel_detail why;
    int code;         /* of the latest curl_client_perform */
    char sink[16384]; /* the body delivered, cut to what fits */
    size_t sink_length;
    int resets; /* calls of curl_client_reset */
    int rewinds;
    const char *upload; /* what curl_client_read reads from, and where it is */
    size_t upload_at;
} curl_client;

/* Opens runtime, pipeline and handle under libcheck's asserts; plain http on the port.
 */
void curl_client_open(curl_client *client, const char *settings, uint16_t port,
                      const char *path);
/* The same with variables for the runtime to read. */
void curl_client_open_in(curl_client *client, const char *const *environment,
                         const char *settings, uint16_t port, const char *path);
void curl_client_close(curl_client *client);

/* Aims the handle at scheme://127.0.0.1:port/path. */
void curl_client_aim(curl_client *client, const char *scheme, uint16_t port,
                     const char *path);

/* A further handle set up like the client's own. */
CURL *curl_client_handle(curl_client *client);

/* keel_curl_perform_with, with the client's options. */
keel_status curl_client_perform(curl_client *client);

long curl_client_response(const curl_client *client);

/* Hooks that work and count. */
int curl_client_reset(void *client);
int curl_client_rewind(void *client);

/* Has the handle read its request body from text, through a callback. */
void curl_client_put(curl_client *client, const char *text);

#endif
