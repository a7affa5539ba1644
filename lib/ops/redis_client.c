/* SPDX-License-Identifier: MIT */
/* One link, and room for one command. */
#include "ops/redis_client.h"

#include <stdlib.h>
#include <string.h>

#include "base/detail.h"

static bool copy(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return *to || !from;
}

keel_status keel_redis_client_open(keel_redis_client **out,
                                   const keel_process_settings *settings,
                                   const char *url, keel_detail *why)
{
    keel_redis_client *client = calloc(1, sizeof *client);
    keel_link_options options = { .url = url ? url : settings->redis,
                                  .timeout_ns = settings->redis_timeout_ns,
                                  .interrupt_fd = -1 };
    keel_status status = KEEL_E_NOMEM;

    *out = NULL;
    if (!client)
        return keel_fail(why, status, "out of memory");
    if (!copy(&client->name_space, settings->name_space) ||
        !copy(&client->password_file, settings->redis_password_file)) {
        keel_fail(why, status, "out of memory");
        goto fail;
    }
    options.tag = client->fleet.tag = client->name_space;
    options.password_file = client->password_file;
    status = keel_link_init(&client->link, &options, why);
    if (status != KEEL_OK)
        goto fail;
    *out = client;
    return KEEL_OK;

fail:
    free(client->password_file);
    free(client->name_space);
    free(client);
    return status;
}

void keel_redis_client_close(keel_redis_client *client)
{
    if (!client)
        return;
    keel_link_cleanup(&client->link);
    free(client->password_file);
    free(client->name_space);
    free(client);
}

keel_status keel_redis_client_connect(keel_redis_client *client, keel_detail *why)
{
    keel_status status = keel_link_connect(&client->link, why);

    client->fleet.sharded = client->link.is_sharded;
    return status;
}

keel_command *keel_redis_client_command(keel_redis_client *client)
{
    keel_command_init(&client->command, client->bytes, sizeof client->bytes);
    return &client->command;
}

keel_status keel_redis_client_ask(keel_redis_client *client, redisReply **reply,
                                  keel_detail *why)
{
    *reply = NULL;
    if (client->command.failed)
        return keel_fail(why, KEEL_E_ARGUMENT, "a command that does not fit");
    if (!keel_link_is_up(&client->link))
        return keel_fail(why, KEEL_FAILED, "the connection is lost");
    return keel_link_ask(&client->link, &client->command, reply, why);
}

keel_status keel_redis_client_distrust(keel_redis_client *client, keel_detail *why)
{
    keel_link_lose(&client->link);
    return keel_fail(why, KEEL_FAILED, "an answer of Redis makes no sense");
}
