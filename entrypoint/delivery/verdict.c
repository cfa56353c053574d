/*
 * The question is `account NUL sender NUL mark NUL facts NUL message`, to the end of the stream, and
 * the answer one line. Whatever else comes, or nothing, is no answer.
 *
 * Who is silent is not asked again for a while: the file SILENT says since when, by its time. It is
 * empty, since a full disk has room for its name alone, and it goes with the next question that
 * ends in time. A program that has begun anew has made its socket anew, and is asked at once.
 */
#include "verdict.h"

#include "clock.h"
#include "mark.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SOCKET "/run/signpost/junk/verdict"
#define SILENT "/run/signpost/junk/silent"

#define ANSWERED_WITHIN 2000 /* milliseconds, for all of it */
#define SPARED 30 /* seconds */
#define LONGEST_FACTS 2048
#define NOTHING_KNOWN "dmarc=unknown" /* filters/facts.py */

/* --- what the filter knows ----------------------------------------------------------------- */

/* In one line, and without control characters. */
static void
unfold(const char *value, size_t size, char *text, size_t room)
{
	size_t length = 0;

	for (size_t i = 0; i < size && length < room - 1; i++) {
		char c = value[i];

		if (c > ' ' && c <= '~')
			text[length++] = c;
		else if (length && text[length - 1] != ' ')
			text[length++] = ' ';
	}
	while (length && text[length - 1] == ' ')
		length--;
	text[length] = '\0';
}

const char *
facts_of(const struct header *header)
{
	static char facts[LONGEST_FACTS];
	struct field field;
	bool received = false, delivered = false;

	for (size_t at = 0, next; (next = next_field(header, at, &field)); at = next) {
		size_t size;
		const char *value;

		received |= is_named(&field, "Received");
		delivered |= is_named(&field, DELIVERED_FIELD);
		if (received || !is_named(&field, FACTS_FIELD))
			continue;
		value = value_of(&field, &size);
		unfold(value, size, facts, sizeof facts);
		return facts;
	}
	return delivered ? NOTHING_KNOWN : "";
}

/* --- whether to ask ------------------------------------------------------------------------- */

static void
note_silence(void)
{
	int fd = open(SILENT, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd == -1)
		return;
	futimens(fd, NULL);
	close(fd);
}

/* Whether the program that listens there now was silent when it was asked, not long ago. */
static bool
is_silent(void)
{
	struct stat stamp, listener;
	struct timespec now;

	if (lstat(SILENT, &stamp) == -1 || lstat(SOCKET, &listener) == -1)
		return false;
	if (listener.st_mtim.tv_sec > stamp.st_mtim.tv_sec ||
	    (listener.st_mtim.tv_sec == stamp.st_mtim.tv_sec &&
	        listener.st_mtim.tv_nsec > stamp.st_mtim.tv_nsec))
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	/* The clock may have been set back. */
	if (now.tv_sec >= stamp.st_mtim.tv_sec && now.tv_sec - stamp.st_mtim.tv_sec < SPARED)
		return true;
	/* This delivery tries; those beside it need not. */
	note_silence();
	return false;
}

/* --- asking --------------------------------------------------------------------------------- */

/* Whether the socket is ready for it before the time is over. */
static bool
wait_for(int fd, short event, long long until)
{
	struct pollfd polled = {.fd = fd, .events = event};
	long long left;
	int ready;

	do {
		if ((left = until - milliseconds()) <= 0)
			return false;
		ready = poll(&polled, 1, (int)left);
	} while (ready == -1 && errno == EINTR);
	return ready > 0;
}

static int
connect_in_time(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
	/* Where many wait to be accepted, connect() waits as long as a write: then EAGAIN. */
	struct timeval time = {
	    .tv_sec = ANSWERED_WITHIN / 1000,
	    .tv_usec = ANSWERED_WITHIN % 1000 * 1000,
	};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd != -1 &&
	    (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) == -1 ||
	        connect(fd, (struct sockaddr *)&address, sizeof address) == -1)) {
		int cause = errno;

		close(fd);
		errno = cause;
		return -1;
	}
	return fd;
}

static bool
send_all(int fd, const char *bytes, size_t size, long long until)
{
	while (size) {
		ssize_t sent = send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent == -1 && errno == EAGAIN) {
			if (!wait_for(fd, POLLOUT, until))
				return false;
		} else if (sent == -1 && errno != EINTR)
			return false;
		else if (sent != -1) {
			bytes += sent;
			size -= (size_t)sent;
		}
	}
	return true;
}

/* All that comes, to its end; -1 where it is more than there is room for, or does not end. */
static ssize_t
receive_all(int fd, char *bytes, size_t room, long long until)
{
	size_t length = 0;

	while (length < room) {
		ssize_t got = recv(fd, bytes + length, room - length, MSG_DONTWAIT);

		if (got == 0)
			return (ssize_t)length;
		if (got == -1 && errno == EAGAIN) {
			if (!wait_for(fd, POLLIN, until))
				return -1;
		} else if (got == -1 && errno != EINTR)
			return -1;
		else if (got != -1)
			length += (size_t)got;
	}
	return -1;
}

/* Whether it is one line of printable characters, which loses its end. */
static bool
is_answer(char *line, ssize_t size)
{
	if (size < 1 || line[size - 1] != '\n')
		return false;
	line[size - 1] = '\0';
	for (ssize_t i = 0; i < size - 1; i++)
		if (line[i] < ' ' || line[i] > '~')
			return false;
	return true;
}

const char *
ask_for_verdict(const char *account, const char *sender, const char *mark, const char *facts,
    const struct header *message)
{
	static char answer[LONGEST_ANSWER + 2]; /* the line's end, and a byte that is too many */
	const char *before[] = {account, sender, mark, facts};
	size_t size = message->filled < JUDGED ? message->filled : JUDGED;
	long long until = milliseconds() + ANSWERED_WITHIN;
	bool asked = true, answered = false, late;
	int fd;

	if (is_silent())
		return "";
	if ((fd = connect_in_time()) == -1)
		late = errno == EAGAIN;
	else {
		for (size_t i = 0; asked && i < sizeof before / sizeof *before; i++)
			asked = send_all(fd, before[i], strlen(before[i]) + 1, until);
		answered = asked && send_all(fd, message->text, size, until) &&
		    shutdown(fd, SHUT_WR) == 0 &&
		    is_answer(answer, receive_all(fd, answer, sizeof answer, until));
		late = !answered && milliseconds() >= until;
		close(fd);
	}
	if (late)
		note_silence();
	else
		unlink(SILENT);
	return answered ? answer : "";
}
