/*
 * Loaded into smtpd (LD_PRELOAD, by start-smtpd): nobody waits long for the name of an address.
 *
 * Before it greets, smtpd asks DNS for the client's name (PTR), and then whether that name has the
 * client's address (A or AAAA); before it sends, for the name of the other server's address. Its
 * resolver (libasr) waits for a silent name server for 5, 10, 20 and 40 seconds, and no option of
 * resolv.conf changes that. Here these questions end in time, and smtpd takes the name for unknown.
 * All others, those for the way of a message above all, are as patient as ever.
 *
 * libasr asks with a new socket for each attempt: connect, send, event_add with the seconds to
 * wait, recv, close. So each wait is shortened, and a question whose time is over is not sent again.
 * The address of a client's name is told from that of a mail server by the name, which stood in the
 * answer to a PTR question just before. In every other program, a filter's above all, this is idle.
 */
#include <sys/socket.h>
#include <sys/time.h>

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "in_smtpd.h"

/* Milliseconds. Both together leave room for a greeting within five seconds. */
#define NAME_WITHIN 2500
#define ADDRESS_WITHIN 2000
/* An attempt has this part of what is left: three name servers have their turn, and the first has
 * time for a question that it must ask others. */
#define ATTEMPT(left) ((left) * 9 / 20)
#define LEAST_ATTEMPT 500
/* How much longer such a question is known, so that it is not sent again; and how long any other is,
 * so that it stays what it was: libasr is through with it after 85 seconds. */
#define ENDED_FOR 5000
/* libasr asks once more, with a domain of resolv.conf's search behind the name, or without. */
#define ONCE_MORE_WITHIN 1000
#define KNOWN_FOR 90000

#define DNS_PORT 53
#define HEADER 12
#define LONGEST_NAME 255
#define MOST_LABELS 128 /* and jumps */
enum type { TYPE_A = 1, TYPE_PTR = 12, TYPE_AAAA = 28 };

struct question {
	uint64_t digest; /* of the whole packet, which is the same at each attempt */
	int64_t until;   /* 0: as long as libasr likes */
	int64_t known;
};

/* A name that was an answer: its labels in small letters, as they stand in a packet, without the
 * root. */
struct name {
	int64_t until;
	bool asked; /* for its address, and not answered yet */
	size_t length;
	unsigned char labels[LONGEST_NAME + 1];
};

/* One that finds no room takes an old one's; at worst a question is then asked for longer. */
#define QUESTIONS 4096
#define PLACES 8 /* where one may be */
#define NAMES 128
#define DESCRIPTORS 65536

static struct question questions[QUESTIONS];
static struct name names[NAMES];
static size_t next_name;
/* By descriptor; 0 for whatever is no socket of such a question. */
static int64_t until[DESCRIPTORS];
/* Of an answer that was too long for UDP: libasr connects by TCP at once. */
static int64_t goes_on_by_tcp;

struct event; /* of libevent, without its headers */

static int (*real_connect)(int, const struct sockaddr *, socklen_t);
static ssize_t (*real_send)(int, const void *, size_t, int);
static ssize_t (*real_recv)(int, void *, size_t, int);
static ssize_t (*real_read)(int, void *, size_t);
static int (*real_close)(int);
static int (*real_event_add)(struct event *, const struct timeval *);
static int (*event_get_fd)(const struct event *);

/* The first who calls finds them: other libraries read and close before anything of this one runs. */
static void
find_real(void)
{
	*(void **)&real_connect = dlsym(RTLD_NEXT, "connect");
	*(void **)&real_send = dlsym(RTLD_NEXT, "send");
	*(void **)&real_recv = dlsym(RTLD_NEXT, "recv");
	*(void **)&real_read = dlsym(RTLD_NEXT, "read");
	*(void **)&real_close = dlsym(RTLD_NEXT, "close");
	*(void **)&real_event_add = dlsym(RTLD_NEXT, "event_add");
	*(void **)&event_get_fd = dlsym(RTLD_NEXT, "event_get_fd");
}

static int64_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static bool
is_ours(int fd)
{
	return in_smtpd && fd >= 0 && fd < DESCRIPTORS;
}

static int64_t
until_of(int fd)
{
	return is_ours(fd) ? until[fd] : 0;
}

static bool
is_dns(const struct sockaddr *address, socklen_t length)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	if (length >= sizeof(*v4) && address->sa_family == AF_INET)
		return v4->sin_port == htons(DNS_PORT);
	return length >= sizeof(*v6) && address->sa_family == AF_INET6 &&
	    v6->sin6_port == htons(DNS_PORT);
}

static bool
has_type(int fd, int type)
{
	int value = -1;
	socklen_t length = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &length) == 0 && value == type;
}

static bool
asks_dns(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in6 v6;
	} peer = { 0 };
	socklen_t length = sizeof(peer);

	return has_type(fd, SOCK_DGRAM) && getpeername(fd, &peer.any, &length) == 0 &&
	    is_dns(&peer.any, length);
}

static unsigned int
number_at(const unsigned char *packet, size_t at)
{
	return (unsigned int)packet[at] << 8 | packet[at + 1];
}

/* The labels of the name that stands at a place (RFC 1035 section 4.1.4), in small letters; `after`
 * is set to where it ends there. False where it is none. */
static bool
name_at(const unsigned char *packet, size_t size, size_t at, struct name *name, size_t *after)
{
	bool jumped = false;
	int labels;

	name->length = 0;
	for (labels = 0; labels < MOST_LABELS && at < size; labels++) {
		size_t length = packet[at], i;

		if (length == 0) {
			if (!jumped)
				*after = at + 1;
			return true;
		}
		if (length >= 0xc0) {
			if (at + 2 > size)
				return false;
			if (!jumped)
				*after = at + 2;
			jumped = true;
			at = number_at(packet, at) & 0x3fff;
			continue;
		}
		if (length > 63 || at + 1 + length > size ||
		    name->length + 1 + length > LONGEST_NAME)
			return false;
		for (i = 0; i <= length; i++)
			name->labels[name->length + i] = i ? (unsigned char)tolower(packet[at + i]) :
			    packet[at];
		name->length += 1 + length;
		at += 1 + length;
	}
	return false;
}

/* The client's name that is asked for, also with one of resolv.conf's domains behind it; NULL where
 * it is none. */
static struct name *
name_of_a_client(const struct name *asked, int64_t at)
{
	size_t i;

	for (i = 0; i < NAMES; i++)
		if (names[i].length > 0 && names[i].length <= asked->length &&
		    memcmp(names[i].labels, asked->labels, names[i].length) == 0 &&
		    names[i].until + (names[i].asked ? ONCE_MORE_WITHIN : 0) > at)
			return &names[i];
	return NULL;
}

/* Of the answer to a PTR question the first name, which is the one that smtpd takes, is remembered;
 * one that has addresses is done with. */
static void
follow_answer(const unsigned char *packet, size_t size)
{
	struct name *name = &names[next_name], asked;
	size_t at;
	unsigned int records, type;

	if (size < HEADER || number_at(packet, 4) != 1 ||
	    !name_at(packet, size, HEADER, &asked, &at) || at + 4 > size)
		return;
	records = number_at(packet, 6);
	type = number_at(packet, at);
	if (type != TYPE_PTR) {
		if (records > 0 && (name = name_of_a_client(&asked, now())) != NULL)
			name->length = 0;
		return;
	}
	for (at += 4; records > 0; records--) {
		if (!name_at(packet, size, at, &asked, &at) || at + 10 > size)
			return;
		if (number_at(packet, at) == TYPE_PTR) {
			if (!name_at(packet, size, at + 10, name, &at))
				name->length = 0;
			name->until = now() + ADDRESS_WITHIN;
			name->asked = false;
			next_name = (next_name + 1) % NAMES;
			return;
		}
		at += 10 + number_at(packet, at + 8);
	}
}

static uint64_t
digest_of(const unsigned char *packet, size_t size)
{
	uint64_t digest = 0xcbf29ce484222325;
	size_t i;

	for (i = 0; i < size; i++)
		digest = (digest ^ packet[i]) * 0x100000001b3;
	return digest;
}

/* The question, or the place for it: one that is not known for any time where it is new. */
static struct question *
place_of(uint64_t digest, int64_t at)
{
	struct question *oldest = NULL;
	size_t i;

	for (i = 0; i < PLACES; i++) {
		struct question *place = &questions[(digest + i) % QUESTIONS];

		if (place->digest == digest && place->known > at)
			return place;
		if (oldest == NULL || place->known < oldest->known)
			oldest = place;
	}
	*oldest = (struct question){ .digest = digest };
	return oldest;
}

/* Until when this question may be asked; 0 for as long as libasr likes. */
static int64_t
bounded_until(const unsigned char *packet, size_t size, int64_t at)
{
	struct question *question;
	struct name asked, *name;
	size_t after;
	unsigned int type;

	if (size < HEADER || number_at(packet, 4) != 1 ||
	    !name_at(packet, size, HEADER, &asked, &after) || after + 4 > size)
		return 0;
	type = number_at(packet, after);
	if (type != TYPE_PTR && type != TYPE_A && type != TYPE_AAAA)
		return 0;
	question = place_of(digest_of(packet, size), at);
	if (question->known == 0) {
		if (type == TYPE_PTR)
			question->until = at + NAME_WITHIN;
		else if ((name = name_of_a_client(&asked, at)) != NULL) {
			question->until = name->until;
			name->asked = true;
		}
		question->known = question->until ? question->until + ENDED_FOR : at + KNOWN_FOR;
	}
	return question->until;
}

int
connect(int fd, const struct sockaddr *address, socklen_t length)
{
	int64_t end = goes_on_by_tcp;
	int before = errno;

	FIND_REAL(connect);
	goes_on_by_tcp = 0;
	if (is_ours(fd))
		until[fd] = end && address != NULL && is_dns(address, length) &&
		    has_type(fd, SOCK_STREAM) ? end : 0;
	errno = before;
	return real_connect(fd, address, length);
}

ssize_t
send(int fd, const void *bytes, size_t size, int flags)
{
	int before = errno;

	FIND_REAL(send);
	if (is_ours(fd) && asks_dns(fd)) {
		int64_t at = now();

		until[fd] = bounded_until(bytes, size, at);
		if (until[fd] && until[fd] <= at) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
	errno = before;
	return real_send(fd, bytes, size, flags);
}

int
event_add(struct event *event, const struct timeval *timeout)
{
	int64_t end, left;
	struct timeval shorter;

	FIND_REAL(event_add);
	if (timeout == NULL || !in_smtpd || event_get_fd == NULL ||
	    (end = until_of(event_get_fd(event))) == 0)
		return real_event_add(event, timeout);
	left = end - now();
	left = left <= 0 ? 0 : left < LEAST_ATTEMPT ? left :
	    ATTEMPT(left) < LEAST_ATTEMPT ? LEAST_ATTEMPT : ATTEMPT(left);
	if ((int64_t)timeout->tv_sec * 1000 + timeout->tv_usec / 1000 <= left)
		return real_event_add(event, timeout);
	shorter = (struct timeval){ .tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 };
	return real_event_add(event, &shorter);
}

ssize_t
recv(int fd, void *buffer, size_t size, int flags)
{
	int64_t end = until_of(fd);
	ssize_t count;

	FIND_REAL(recv);
	count = real_recv(fd, buffer, size, flags);
	if (end && count >= HEADER) {
		const unsigned char *packet = buffer;

		goes_on_by_tcp = packet[2] & 0x02 ? end : 0;
		if (!goes_on_by_tcp)
			follow_answer(packet, (size_t)count);
	}
	return count;
}

/* An answer by TCP: its length first, then, mostly in one piece, what it says. */
ssize_t
read(int fd, void *buffer, size_t size)
{
	int64_t end = until_of(fd);
	ssize_t count;

	FIND_REAL(read);
	count = real_read(fd, buffer, size);
	if (end && count >= HEADER)
		follow_answer(buffer, (size_t)count);
	return count;
}

int
close(int fd)
{
	FIND_REAL(close);
	if (is_ours(fd))
		until[fd] = 0;
	return real_close(fd);
}
