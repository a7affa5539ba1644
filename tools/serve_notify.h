/* SPDX-License-Identifier: MIT */
/* Tells the service manager how far a service is, as sd_notify(3) would. */
#ifndef KEEL_TOOLS_SERVE_NOTIFY_H
#define KEEL_TOOLS_SERVE_NOTIFY_H

/* "READY=1", "STOPPING=1". Without NOTIFY_SOCKET in the environment nobody is told. */
void keel_serve_notify(const char *state);

#endif
