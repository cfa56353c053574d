/*
 * Loaded into smtpd (LD_PRELOAD, by start-smtpd): a mail program may call itself what it likes.
 *
 * smtpd answers EHLO and HELO with 501 where the name is none of DNS's: letters outside of ASCII
 * (MÜLLER-PC), a dot at the end, a space, a port, nothing at all. Mail programs send the name of
 * the computer, which its owner has chosen, and most other servers take it. On the submission ports
 * nothing depends on it: the login says who it is, and Received does not have the name. So there
 * the client's address literal stands in its place (RFC 5321 section 4.1.3, 4.1.4), which is what
 * it should have sent without a name of its own. On port 25 the name is what SPF looks at, and all
 * stays as it is.
 *
 * A line is changed only as long as the session has said nothing but EHLO, HELO and STARTTLS, so
 * that none within a message is, and only where it has arrived whole; else smtpd answers as ever. In
 * every other program, a filter's above all, this is idle.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "in_smtpd.h"

#define SUBMISSIONS 465
#define SUBMISSION 587
/* Descriptors beyond are left alone. */
#define MOST_CLIENTS 65536
/* smtpd's SMTPD_MAXDOMAINPARTSIZE. */
#define NAME_SIZE 256
#define LITERAL_SIZE (sizeof("[IPv6:]") + INET6_ADDRSTRLEN)

/* Of OpenSSL, without its headers: its ABI names them so since 1.1.0. */
typedef struct ssl_st SSL;

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct client {
	bool begins : 1; /* it has said nothing but EHLO, HELO and STARTTLS yet */
	bool tls : 1;    /* what read() sees is encrypted */
};

static struct client clients[MOST_CLIENTS];

static int (*real_accept)(int, struct sockaddr *, socklen_t *);
static ssize_t (*real_read)(int, void *, size_t);
static int (*real_SSL_set_rfd)(SSL *, int);
static int (*real_SSL_get_rfd)(const SSL *);
static int (*real_SSL_read)(SSL *, void *, int);

/* The first who calls finds them: other libraries read before anything of this one runs. */
static void
find_real(void)
{
	*(void **)&real_accept = dlsym(RTLD_NEXT, "accept");
	*(void **)&real_read = dlsym(RTLD_NEXT, "read");
	*(void **)&real_SSL_set_rfd = dlsym(RTLD_NEXT, "SSL_set_rfd");
	*(void **)&real_SSL_get_rfd = dlsym(RTLD_NEXT, "SSL_get_rfd");
	*(void **)&real_SSL_read = dlsym(RTLD_NEXT, "SSL_read");
}

/* NULL where there is nothing to do. */
static struct client *
client_of(int fd)
{
	return in_smtpd && fd >= 0 && fd < MOST_CLIENTS && clients[fd].begins ? &clients[fd] : NULL;
}

static bool
is_submission(int fd)
{
	union address ours = { 0 };
	socklen_t length = sizeof(ours);
	in_port_t port = 0;

	if (getsockname(fd, &ours.any, &length) == -1)
		return false;
	if (ours.any.sa_family == AF_INET)
		port = ntohs(ours.v4.sin_port);
	else if (ours.any.sa_family == AF_INET6)
		port = ntohs(ours.v6.sin6_port);
	return port == SUBMISSIONS || port == SUBMISSION;
}

/* The client's address as RFC 5321 section 4.1.3 writes it; false where it has none. */
static bool
address_literal(int fd, char *literal)
{
	union address peer = { 0 };
	socklen_t length = sizeof(peer);
	char text[INET6_ADDRSTRLEN];
	bool v6;

	if (getpeername(fd, &peer.any, &length) == -1)
		return false;
	v6 = peer.any.sa_family == AF_INET6;
	if (inet_ntop(peer.any.sa_family,
	    v6 ? (const void *)&peer.v6.sin6_addr : &peer.v4.sin_addr, text, sizeof(text)) == NULL)
		return false;
	snprintf(literal, LITERAL_SIZE, v6 ? "[IPv6:%s]" : "[%s]", text);
	return true;
}

/* As valid_domainpart() in smtpd's util.c. */
static bool
is_valid(const char *name)
{
	struct in_addr v4;
	struct in6_addr v6;
	char inner[NAME_SIZE], *end;
	size_t length = strlen(name);

	if (*name != '[')
		return length > 0 && name[length - 1] != '.' && res_hnok(name);
	strcpy(inner, name + (strncasecmp(name, "[IPv6:", 6) == 0 ? 6 : 1));
	end = strchr(inner, ']');
	if (end == NULL || end[1] != '\0')
		return false;
	*end = '\0';
	return inet_pton(AF_INET6, inner, &v6) == 1 || inet_pton(AF_INET, inner, &v4) == 1;
}

static bool
begins(const char *bytes, size_t length, const char *word)
{
	return length >= strlen(word) && strncasecmp(bytes, word, strlen(word)) == 0;
}

/* Whether smtpd would refuse the name in this whole line, behind EHLO or HELO. */
static bool
is_refused(const char *line, size_t length)
{
	char name[NAME_SIZE];
	const char *start = line + 4, *end = line + length - 1;

	if (end > start && end[-1] == '\r')
		end--;
	if (start < end && *start != ' ')
		return false; /* another command */
	while (start < end && strchr(" \t\n\v\f\r", *start) != NULL && *start != '\0')
		start++;
	if ((size_t)(end - start) >= sizeof(name))
		return true;
	memcpy(name, start, (size_t)(end - start));
	name[end - start] = '\0';
	/* What stands behind a NUL, smtpd does not see; it is nobody's name. */
	return strlen(name) == (size_t)(end - start) && !is_valid(name);
}

/* What smtpd gets of the bytes that have been read into a buffer of this size: how many. */
static size_t
named(struct client *client, int fd, char *bytes, size_t length, size_t size)
{
	char literal[LITERAL_SIZE];
	size_t wanted;

	if (!begins(bytes, length, "EHLO") && !begins(bytes, length, "HELO")) {
		client->begins = begins(bytes, length, "STARTTLS");
		return length;
	}
	if (memchr(bytes, '\n', length) != bytes + length - 1) {
		client->begins = false;
		return length;
	}
	/* That a descriptor which nobody accepted bears the number of one is not to hurt. */
	if (!is_refused(bytes, length) || !is_submission(fd) || !address_literal(fd, literal))
		return length;
	wanted = 4 + 1 + strlen(literal) + 2;
	if (wanted > size)
		return length;
	memcpy(bytes + 4, " ", 1);
	memcpy(bytes + 5, literal, strlen(literal));
	memcpy(bytes + wanted - 2, "\r\n", 2);
	return wanted;
}

int
accept(int fd, struct sockaddr *address, socklen_t *length)
{
	int client;

	FIND_REAL(accept);
	client = real_accept(fd, address, length);
	if (in_smtpd && client >= 0 && client < MOST_CLIENTS)
		clients[client] = (struct client){ .begins = is_submission(client) };
	return client;
}

ssize_t
read(int fd, void *buffer, size_t size)
{
	struct client *client = client_of(fd);
	ssize_t count;

	FIND_REAL(read);
	count = real_read(fd, buffer, size);
	if (count <= 0 || client == NULL || client->tls)
		return count;
	return (ssize_t)named(client, fd, buffer, (size_t)count, size);
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
	if (count <= 0 || client == NULL)
		return count;
	return (int)named(client, fd, buffer, (size_t)count, (size_t)size);
}
