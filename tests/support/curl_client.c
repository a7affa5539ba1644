/* SPDX-License-Identifier: MIT */
/* Real libcurl, real pipeline; only the sink is a buffer. */
#include "support/curl_client.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static size_t take(char *bytes, size_t size, size_t count, void *ctx)
{
    curl_client *client = ctx;
    size_t length = size * count;
    size_t room = sizeof client->sink - 1 - client->sink_length;
    size_t kept = length < room ? length : room;

    memcpy(client->sink + client->sink_length, bytes, kept);
    client->sink_length += kept;
    client->sink[client->sink_length] = '\0';
    return length;
}

static size_t give(char *bytes, size_t size, size_t count, void *ctx)
{
    curl_client *client = ctx;
    size_t left = strlen(client->upload + client->upload_at);
    size_t given = left < size * count ? left : size * count;

    memcpy(bytes, client->upload + client->upload_at, given);
    client->upload_at += given;
    return given;
}

CURL *curl_client_handle(curl_client *client)
{
    CURL *easy = curl_easy_init();

    ck_assert_ptr_nonnull(easy);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    return easy;
}

void curl_client_open_in(curl_client *client, const char *const *environment,
                         const char *settings, uint16_t port, const char *path)
{
    keel_options options = { .size = sizeof options, .environment = environment };

    memset(client, 0, sizeof *client);
    client->why = (keel_detail)KEEL_DETAIL_INIT;
    ck_assert_int_eq(keel_open(&client->runtime, &options, &client->why), KEEL_OK);
    ck_assert_int_eq(keel_pipeline_open(&client->pipeline, client->runtime, "web",
                                        settings, &client->why),
                     KEEL_OK);
    client->easy = curl_client_handle(client);
    client->call.size = sizeof client->call;
    client->options.size = sizeof client->options;
    client->options.call = &client->call;
    client->options.ctx = client;
    curl_client_aim(client, "http", port, path);
}

void curl_client_open(curl_client *client, const char *settings, uint16_t port,
                      const char *path)
{
    static const char *const nothing[] = { NULL };

    curl_client_open_in(client, nothing, settings, port, path);
}

void curl_client_close(curl_client *client)
{
    curl_easy_cleanup(client->easy);
    keel_pipeline_close(client->pipeline);
    ck_assert_int_eq(keel_close(client->runtime, 0), KEEL_OK);
}

void curl_client_aim(curl_client *client, const char *scheme, uint16_t port,
                     const char *path)
{
    char url[256];

    snprintf(url, sizeof url, "%s://127.0.0.1:%u%s", scheme, (unsigned)port, path);
    curl_easy_setopt(client->easy, CURLOPT_URL, url);
}

keel_status curl_client_perform(curl_client *client)
{
    client->sink_length = 0;
    client->sink[0] = '\0';
    return keel_curl_perform_with(client->pipeline, client->easy, &client->options,
                                  &client->code, &client->why);
}

long curl_client_response(const curl_client *client)
{
    long response = 0;

    curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &response);
    return response;
}

int curl_client_reset(void *ctx)
{
    curl_client *client = ctx;

    client->resets++;
    client->sink_length = 0;
    client->sink[0] = '\0';
    return 0;
}

int curl_client_rewind(void *ctx)
{
    curl_client *client = ctx;

    client->rewinds++;
    client->upload_at = 0;
    return 0;
}

void curl_client_put(curl_client *client, const char *text)
{
    client->upload = text;
    client->upload_at = 0;
    curl_easy_setopt(client->easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(client->easy, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(client->easy, CURLOPT_READDATA, client);
    curl_easy_setopt(client->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)strlen(text));
}
