/*
 * Loaded into smtpd (LD_PRELOAD, by start-smtpd): who asks over the control socket and leaves before
 * the answer is a client that has left.
 *
 * What smtpd has answered and the client has not read makes the kernel say ECONNRESET in place of
 * the end, and smtpd's control process takes any error there for a fatal one: a smtpctl or a
 * sendmail that was killed, as a Sieve script's is when Dovecot ends, ended smtpd with all its
 * sessions. In every other program, and at every other socket, this is idle.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "in_smtpd.h"

/* SMTPD_SOCKET of Debian's smtpd. */
#define CONTROL_SOCKET "/var/run/smtpd.sock"

static ssize_t (*real_recv)(int, void *, size_t, int);

static void
find_real(void)
{
	*(void **)&real_recv = dlsym(RTLD_NEXT, "recv");
}

/* One that was accepted has the name of the one that listens. */
static bool
is_control(int fd)
{
	struct sockaddr_un name = { .sun_family = AF_UNSPEC };
	socklen_t length = sizeof(name);

	return getsockname(fd, (struct sockaddr *)&name, &length) == 0 &&
	    name.sun_family == AF_UNIX && length > offsetof(struct sockaddr_un, sun_path) &&
	    strncmp(name.sun_path, CONTROL_SOCKET, sizeof(name.sun_path)) == 0;
}

ssize_t
recv(int fd, void *buffer, size_t size, int flags)
{
	ssize_t got;

	FIND_REAL(recv);
	got = real_recv(fd, buffer, size, flags);
	if (got == -1 && in_smtpd && errno == ECONNRESET) {
		if (is_control(fd))
			return 0;
		errno = ECONNRESET; /* what stood there before we asked */
	}
	return got;
}
