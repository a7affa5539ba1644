/* SPDX-License-Identifier: MIT */
/*
 * What is to be found in S3's XML: the code of an error, and the names in a list. No
 * parser of XML, for names of keel's own need none; what looks otherwise is not keel's.
 */
#ifndef KEEL_BAG_STORE_S3_REPLY_H
#define KEEL_BAG_STORE_S3_REPLY_H

#include "base/text.h"

/* The text of the first such element, taken off the front with it. False: there is none. */
bool keel_s3_next(keel_text *xml, const char *element, keel_text *inside);

/* The code of an error; "" if it has none. */
keel_text keel_s3_error_code(keel_text xml);

#endif
