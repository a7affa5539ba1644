/* SPDX-License-Identifier: MIT */
/* All of keel. Every header here can be included alone, from C99, C11 and C++11. */
#ifndef KEEL_KEEL_H
#define KEEL_KEEL_H

#include <keel/status.h>
#include <keel/runtime.h>
#include <keel/pipeline.h>
#include <keel/call.h>
#include <keel/http_headers.h>
#include <keel/events.h>
#include <keel/health.h>
#include <keel/curl.h>
#include <keel/http.h>
#include <keel/bag.h>

#endif
