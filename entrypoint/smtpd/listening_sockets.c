/*
 * Loaded into smtpd (LD_PRELOAD, by start-smtpd): its listening sockets come from the container's
 * first process, which has them as long as the container runs (listening_sockets.py). So who
 * connects while smtpd starts again waits in the socket's queue and is not refused.
 *
 * smtpd binds its ports in its dispatcher, as root, before chroot. bind() there asks, and puts the
 * socket that it gets in the place of smtpd's. Whatever fails, the real bind() follows: without
 * that process, smtpd starts as ever. In every other program, a filter's above all, this is idle.
 */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "in_smtpd.h"

#define LISTENING_SOCKETS "/run/signpost/listening.socket"
#define ANSWERED_WITHIN 2
/* While the port is in use, which means that the socket is there, but was not handed over. */
#define ATTEMPTS 4
#define PAUSE_NANOSECONDS 300000000L

typedef int bind_function(int, const struct sockaddr *, socklen_t);
typedef int listen_function(int, int);

static int
option(int fd, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &length) == -1 ? -1 : value;
}

/* `ADDRESS PORT\n`; 0 for whatever is no port to listen on. */
static int
question(char *line, size_t size, const struct sockaddr *address, socklen_t length)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;
	char host[INET6_ADDRSTRLEN];
	const void *number;
	in_port_t port;

	if (length >= sizeof(*v4) && address->sa_family == AF_INET) {
		number = &v4->sin_addr;
		port = v4->sin_port;
	} else if (length >= sizeof(*v6) && address->sa_family == AF_INET6 && !v6->sin6_scope_id) {
		number = &v6->sin6_addr;
		port = v6->sin6_port;
	} else
		return 0;
	if (port == 0 || inet_ntop(address->sa_family, number, host, sizeof(host)) == NULL)
		return 0;
	return snprintf(line, size, "%s %d\n", host, ntohs(port));
}

/* The socket that is handed over, or -1. */
static int
received(int link)
{
	char sign = 0;
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec data = { .iov_base = &sign, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *first;
	int fd;

	if (recvmsg(link, &message, MSG_CMSG_CLOEXEC) != 1 || sign != '+')
		return -1;
	first = CMSG_FIRSTHDR(&message);
	if (first == NULL || first->cmsg_level != SOL_SOCKET || first->cmsg_type != SCM_RIGHTS ||
	    first->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(first), sizeof(fd));
	return fd;
}

static int
asked_for(const char *line, size_t length)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX, .sun_path = LISTENING_SOCKETS };
	struct timeval within = { .tv_sec = ANSWERED_WITHIN };
	int link, fd = -1;

	link = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link == -1)
		return -1;
	if (setsockopt(link, SOL_SOCKET, SO_RCVTIMEO, &within, sizeof(within)) == 0 &&
	    setsockopt(link, SOL_SOCKET, SO_SNDTIMEO, &within, sizeof(within)) == 0 &&
	    connect(link, (const void *)&path, sizeof(path)) == 0 &&
	    send(link, line, length, MSG_NOSIGNAL) == (ssize_t)length)
		fd = received(link);
	close(link);
	return fd;
}

/* Puts the socket in the caller's place, with the caller's flags. */
static bool
replaced(int fd, int by, int family)
{
	int status = fcntl(fd, F_GETFL), flags = fcntl(fd, F_GETFD);
	int now = fcntl(by, F_GETFL);

	return status != -1 && flags != -1 && now != -1 &&
	    option(by, SO_DOMAIN) == family && option(by, SO_ACCEPTCONN) == 1 &&
	    fcntl(by, F_SETFL, (now & ~O_NONBLOCK) | (status & O_NONBLOCK)) == 0 &&
	    dup3(by, fd, flags & FD_CLOEXEC ? O_CLOEXEC : 0) == fd;
}

static bool
handed_over(int fd, const char *line, size_t length, int family)
{
	int by = asked_for(line, length);
	bool done = by != -1 && replaced(fd, by, family);

	if (by != -1)
		close(by);
	return done;
}

int
bind(int fd, const struct sockaddr *address, socklen_t length)
{
	bind_function *real;
	char line[INET6_ADDRSTRLEN + 16];
	int size, attempt, before = errno;

	*(void **)&real = dlsym(RTLD_NEXT, "bind");
	if (!in_smtpd || address == NULL || option(fd, SO_TYPE) != SOCK_STREAM ||
	    (size = question(line, sizeof(line), address, length)) <= 0) {
		errno = before;
		return real(fd, address, length);
	}
	for (attempt = 1;; attempt++) {
		if (handed_over(fd, line, (size_t)size, address->sa_family)) {
			errno = before;
			return 0;
		}
		if (real(fd, address, length) == 0)
			return 0;
		if (errno != EADDRINUSE || attempt == ATTEMPTS)
			return -1;
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NANOSECONDS }, NULL);
	}
}

int
listen(int fd, int backlog)
{
	listen_function *real;
	int before = errno;

	*(void **)&real = dlsym(RTLD_NEXT, "listen");
	/* smtpd's 5 would shorten the queue of who waits: listening_sockets.py says how long it is. */
	if (in_smtpd && backlog < SOMAXCONN && option(fd, SO_DOMAIN) != AF_UNIX)
		backlog = SOMAXCONN;
	errno = before;
	return real(fd, backlog);
}
