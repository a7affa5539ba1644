/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what S3 answers, a list of names or an object: no crash, what is found lies
 * within, a name that is a key's is that key's only one, and a value is all of an object
 * behind its envelope.
 */
#include <string.h>

#include "bag/store/envelope.h"
#include "bag/store/object_name.h"
#include "bag/store/s3_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_name(keel_text name)
{
    char key[KEEL_BAG_KEY_MAX + 1], again[KEEL_OBJECT_NAME_SIZE];

    if (!keel_object_name_read(name, key))
        return;
    keel_object_name_write(again, (keel_bytes){ key, strlen(key) });
    if (strlen(again) != name.length || memcmp(again, name.at, name.length) != 0)
        __builtin_trap();
}

static void look_at_list(keel_text xml)
{
    const char *end = xml.at + xml.length;
    keel_text name;

    while (keel_s3_next(&xml, "Key", &name)) {
        if (name.at + name.length > end || xml.at + xml.length != end)
            __builtin_trap();
        look_at_name(name);
    }
}

static void look_at_object(keel_bytes object)
{
    keel_envelope envelope;
    keel_bytes value;

    if (keel_envelope_read(&envelope, object) && keel_envelope_value(object, &value) &&
        value.length != object.length - KEEL_ENVELOPE_SIZE)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const keel_text text = { (const char *)data, size };

    look_at_list(text);
    look_at_name(text);
    keel_s3_error_code(text);
    look_at_object((keel_bytes){ data, size });
    return 0;
}
