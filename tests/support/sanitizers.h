/* SPDX-License-Identifier: MIT */
/* What this program is built with that makes it slower, or forbids it something. */
#ifndef KEEL_TESTS_SUPPORT_SANITIZERS_H
#define KEEL_TESTS_SUPPORT_SANITIZERS_H

#ifndef __has_feature /* which is clang's; gcc defines a macro for each */
#define __has_feature(name) 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define HAS_THREAD_SANITIZER 1
#else
#define HAS_THREAD_SANITIZER 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#else
#define HAS_ADDRESS_SANITIZER 0
#endif

/* Randomized tests take so much longer that fewer schedules have to do. */
#define HAS_SANITIZER (HAS_THREAD_SANITIZER || HAS_ADDRESS_SANITIZER)

/* The thread sanitizer allows no threads in a child of a process that has some. */
#define CHILDREN_HAVE_THREADS (!HAS_THREAD_SANITIZER)

#endif
