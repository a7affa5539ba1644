/* SPDX-License-Identifier: MIT */
/* Looking at what processes are to share by. Not for sharing. */
#include "call/sharing.h"

#include <string.h>

#include "board/file.h"
#include "net/redis_url.h"
#include "share/password_file.h"

static keel_status check_redis(const char *text, keel_detail *why)
{
    keel_redis_url url;
    keel_status status = keel_redis_url_read(&url, keel_text_of(text), why);

    keel_redis_url_wipe(&url);
    return status;
}

static keel_status check_password_file(const char *path, keel_detail *why)
{
    char password[KEEL_REDIS_NAME_SIZE];
    keel_status status = keel_password_file_read(path, password, sizeof password, why);

    explicit_bzero(password, sizeof password);
    return status;
}

void keel_sharing_check(const keel_process_settings *process, keel_report *report)
{
    const struct {
        const char *variable;
        const char *value; /* NULL: not set */
        keel_status (*check)(const char *value, keel_detail *why);
    } rows[] = {
        { KEEL_PREFIX "BOARD", process->board, keel_board_file_check },
        { KEEL_PREFIX "REDIS", process->redis, check_redis },
        { KEEL_PREFIX "REDIS_PASSWORD_FILE", process->redis_password_file,
          check_password_file },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        keel_detail why = KEEL_DETAIL_INIT;

        if (rows[i].value && rows[i].check(rows[i].value, &why) != KEEL_OK)
            keel_report_mistake(report, (keel_spot){ rows[i].variable, 0 }, "%s",
                                why.text);
    }
}
