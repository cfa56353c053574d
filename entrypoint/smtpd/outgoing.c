/*
 * Loaded into smtpd (LD_PRELOAD, by start-smtpd): what it says to another server goes out at once.
 *
 * smtpd writes the end of a message, the dot, after its text. The kernel holds a small segment back
 * until what went before it is acknowledged (RFC 9293, 3.7.4), and the other side acknowledges late,
 * in the hope to send something with it (RFC 9293, 3.8.6.3): 40 ms for every message, while the
 * others for that server wait behind it in the same connection. In every other program this is idle.
 */
#include <sys/socket.h>

#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "in_smtpd.h"

typedef int connect_function(int, const struct sockaddr *, socklen_t);

static connect_function *real_connect;

static void
find_real(void)
{
	*(void **)&real_connect = dlsym(RTLD_NEXT, "connect");
}

int
connect(int fd, const struct sockaddr *address, socklen_t length)
{
	const int yes = 1;
	const int before = errno;

	FIND_REAL(connect);
	if (in_smtpd && (address->sa_family == AF_INET || address->sa_family == AF_INET6)) {
		/* A question to a name server is a datagram, and has no such option. */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		errno = before;
	}
	return real_connect(fd, address, length);
}
