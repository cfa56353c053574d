/*
 * Loaded into smtpd (LD_PRELOAD, by start-smtpd): a message ends in <CR><LF>.<CR><LF> and in nothing
 * else (RFC 5321 sections 2.3.8 and 4.1.1.4).
 *
 * smtpd takes a line of a dot for the end whatever stands before it, a bare <LF> at either side
 * and a NUL behind the dot included, and obeys what follows as commands. Another server that
 * passes such bytes on as a part of a message would hand in a second message that nobody there has
 * sent (SMTP smuggling). A session that sends one of these is answered 521 and closed; smtpd does
 * not see the line, so nothing of the message is stored. Other bare <LF>s are left to smtpd, which
 * makes each a line end. Commands need no exception: a line of a dot is none.
 *
 * smtpd's reads from clients that it has accepted are looked at here, behind TLS where there is TLS.
 * No byte is held back or changed. In every other program, a filter's above all, this is idle.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "in_smtpd.h"

#define REPLY "521 5.5.2 a message ends in <CR><LF>.<CR><LF>, without a bare <LF> or a NUL\r\n"

/* Of OpenSSL, without its headers: its ABI names them so since 1.1.0. */
typedef struct ssl_st SSL;
#define SSL_RECEIVED_SHUTDOWN 2

/* Where in a line the client is. */
enum place { BEGIN, DOT, DOT_CR, WITHIN, WITHIN_CR };

/* One for each descriptor; place BEGIN and nothing else set where it is no client's. */
struct client {
	unsigned char place;
	bool accepted : 1;
	bool tls : 1;     /* what read() sees is encrypted */
	bool bare : 1;    /* the line before ended in a bare <LF> */
	bool refused : 1;
};

static struct client *clients;
static size_t room;

static int (*real_accept)(int, struct sockaddr *, socklen_t *);
static int (*real_close)(int);
static ssize_t (*real_read)(int, void *, size_t);
static int (*real_SSL_set_rfd)(SSL *, int);
static int (*real_SSL_get_rfd)(const SSL *);
static int (*real_SSL_read)(SSL *, void *, int);
static int (*real_SSL_write)(SSL *, const void *, int);
static void (*real_SSL_set_shutdown)(SSL *, int);

/* The first who calls finds them: other libraries read and close before anything of this one runs. */
static void
find_real(void)
{
	*(void **)&real_accept = dlsym(RTLD_NEXT, "accept");
	*(void **)&real_close = dlsym(RTLD_NEXT, "close");
	*(void **)&real_read = dlsym(RTLD_NEXT, "read");
	*(void **)&real_SSL_set_rfd = dlsym(RTLD_NEXT, "SSL_set_rfd");
	*(void **)&real_SSL_get_rfd = dlsym(RTLD_NEXT, "SSL_get_rfd");
	*(void **)&real_SSL_read = dlsym(RTLD_NEXT, "SSL_read");
	*(void **)&real_SSL_write = dlsym(RTLD_NEXT, "SSL_write");
	*(void **)&real_SSL_set_shutdown = dlsym(RTLD_NEXT, "SSL_set_shutdown");
}

static bool
is_internet(int fd)
{
	int domain = -1;
	socklen_t length = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 &&
	    (domain == AF_INET || domain == AF_INET6);
}

/* Room for one more; false where there is no memory for it. */
static bool
has_room(int fd)
{
	size_t wanted = room ? room : 1024;
	struct client *grown;

	while (wanted <= (size_t)fd)
		wanted *= 2;
	if (wanted == room)
		return true;
	if ((grown = realloc(clients, wanted * sizeof(*clients))) == NULL)
		return false;
	memset(grown + room, 0, (wanted - room) * sizeof(*clients));
	clients = grown;
	room = wanted;
	return true;
}

/* NULL where it is no client of smtpd's. */
static struct client *
client_of(int fd)
{
	if (!in_smtpd || fd < 0 || (size_t)fd >= room || !clients[fd].accepted)
		return NULL;
	return &clients[fd];
}

/* Follows what the client sends; false where it has sent another end than the right one. */
static bool
follow(struct client *client, const char *bytes, size_t length)
{
	const char *next = bytes, *end = bytes + length, *line_feed;

	while (next < end) {
		char byte = *next++;

		switch (client->place) {
		case BEGIN:
			if (byte == '\n') {
				client->bare = true;
				continue;
			}
			client->place = byte == '.' ? DOT : byte == '\r' ? WITHIN_CR : WITHIN;
			continue;
		case DOT:
			if (byte == '\n' || byte == '\0')
				return false;
			client->place = byte == '\r' ? DOT_CR : WITHIN;
			continue;
		case DOT_CR:
			if (byte == '\n' && client->bare)
				return false;
			/* FALLTHROUGH */
		case WITHIN_CR:
			if (byte == '\n') {
				client->place = BEGIN;
				client->bare = false;
			} else
				client->place = byte == '\r' ? WITHIN_CR : WITHIN;
			continue;
		default:
			line_feed = memchr(next - 1, '\n', (size_t)(end - next) + 1);
			if (line_feed == NULL) {
				client->place = end[-1] == '\r' ? WITHIN_CR : WITHIN;
				return true;
			}
			client->bare = line_feed < next || line_feed[-1] != '\r';
			client->place = BEGIN;
			next = line_feed + 1;
		}
	}
	return true;
}

static void
log_refusal(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} peer = { 0 };
	socklen_t length = sizeof(peer);
	char address[INET6_ADDRSTRLEN] = "?", line[INET6_ADDRSTRLEN + 100];
	const void *number = &peer.v4.sin_addr;
	int size;

	if (getpeername(fd, &peer.any, &length) == 0) {
		if (peer.any.sa_family == AF_INET6)
			number = &peer.v6.sin6_addr;
		inet_ntop(peer.any.sa_family, number, address, sizeof(address));
	}
	size = snprintf(line, sizeof(line),
	    "info: client=%s refused: a line of a dot with a bare <LF> or a NUL\n", address);
	if (write(STDERR_FILENO, line, (size_t)size) == -1)
		return; /* as with smtpd's own lines */
}

int
accept(int fd, struct sockaddr *address, socklen_t *length)
{
	int client;

	FIND_REAL(accept);
	client = real_accept(fd, address, length);
	if (!in_smtpd || client == -1 || !is_internet(client))
		return client;
	if (!has_room(client)) {
		real_close(client);
		errno = ECONNABORTED;
		return -1;
	}
	clients[client] = (struct client){ .accepted = true };
	return client;
}

int
close(int fd)
{
	struct client *client = client_of(fd);

	FIND_REAL(close);
	if (client != NULL)
		*client = (struct client){ 0 };
	return real_close(fd);
}

/* Refused, it has closed the connection for smtpd. */
ssize_t
read(int fd, void *buffer, size_t size)
{
	struct client *client = client_of(fd);
	ssize_t count;

	FIND_REAL(read);
	if (client != NULL && client->refused)
		return 0;
	count = real_read(fd, buffer, size);
	/* That a descriptor which nobody accepted bears the number of one is not to be, nor to hurt. */
	if (count <= 0 || client == NULL || client->tls ||
	    follow(client, buffer, (size_t)count) || !is_internet(fd))
		return count;
	client->refused = true;
	log_refusal(fd);
	send(fd, REPLY, sizeof(REPLY) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	return 0;
}

int
SSL_set_rfd(SSL *ssl, int fd)
{
	struct client *client = client_of(fd);

	FIND_REAL(SSL_set_rfd);
	if (client != NULL)
		client->tls = true;
	return real_SSL_set_rfd(ssl, fd);
}

int
SSL_read(SSL *ssl, void *buffer, int size)
{
	struct client *client;
	int count, fd;

	FIND_REAL(SSL_read);
	count = real_SSL_read(ssl, buffer, size);
	fd = in_smtpd ? real_SSL_get_rfd(ssl) : -1;
	client = client_of(fd);
	if (count <= 0 || client == NULL || client->refused ||
	    follow(client, buffer, (size_t)count))
		return count;
	client->refused = true;
	log_refusal(fd);
	real_SSL_write(ssl, REPLY, sizeof(REPLY) - 1);
	/* From now on, and whatever became of that write, a read finds the end. */
	real_SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
	return real_SSL_read(ssl, buffer, size);
}
