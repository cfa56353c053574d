/*
 * pam_signpost: asks filters.logins whether a login and a password belong together.
 *
 *     auth required pam_signpost.so socket=PATH [state=PATH]
 *
 * Right is PAM_SUCCESS, wrong PAM_AUTH_ERR, and no answer PAM_AUTHINFO_UNAVAIL, which smtpd makes a
 * temporary failure (421).
 *
 * smtpd calls this in its parent process, which also forks and reaps the delivery agents and looks
 * for a .forward at every RCPT, one after the other. So it neither forks nor touches a signal, and
 * it bounds how long the parent waits: a question by LONGEST, and many in a row by `state`, a file
 * that only smtpd's service names. See struct state.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>

#define MILLISECOND INT64_C(1000000)
#define SECOND (1000 * MILLISECOND)

/* What filters.logins reads at most (LONGEST_QUESTION of filters/login_server.py). */
#define QUESTION_SIZE 2048
/* How long a question may take, and many in a row; a mail program and another server's RCPT wait. */
#define LONGEST (2 * SECOND)
/* Who answers as late as this may answer the next one not at all: nobody asks for a while. */
#define LATE (1 * SECOND)
#define REST_AFTER_LATE (5 * SECOND)
/* Many in a row have used up their time when less than this is left. */
#define SHORTEST (400 * MILLISECOND)
#define REST_AFTER_MANY (500 * MILLISECOND)
/* A pause between two questions makes good for as many times its length. */
#define PAUSE_COUNTS 5

/*
 * What one question leaves to the next, all in nanoseconds of CLOCK_MONOTONIC. PAM unloads modules,
 * so it lies in a file; the file belongs to whom the service runs as and is nobody else's to write,
 * so that no other service makes this one rest. A file that is missing, short, or from before the
 * machine's last start is as good as none.
 */
struct state {
	int64_t ended;      /* when the last question was over */
	int64_t busy;       /* how long the questions up to it took, less the pauses between them */
	int64_t rest_until; /* nobody is asked before */
};

static int64_t
now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * SECOND + at.tv_nsec;
}

/* -- the state ---------------------------------------------------------------------------- */

/* The file, made where there is none; -1 where it is missing or another user's. */
static int
open_state(const char *path)
{
	struct stat status;
	int file;

	if (path == NULL)
		return -1;
	file = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (file == -1)
		return -1;
	if (fstat(file, &status) == -1 || !S_ISREG(status.st_mode) ||
	    status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
		close(file);
		return -1;
	}
	return file;
}

static struct state
read_state(int file, int64_t at)
{
	struct state found = {0, 0, 0};

	if (file == -1 || pread(file, &found, sizeof found, 0) != (ssize_t)sizeof found ||
	    found.ended < 0 || found.ended > at || found.busy < 0 || found.busy > 2 * LONGEST ||
	    found.rest_until > at + REST_AFTER_LATE)
		return (struct state){0, 0, 0};
	return found;
}

/* How long the next question may take; 0: it is not asked. */
static int64_t
allowed(struct state *state, int64_t at)
{
	int64_t left, pause = at - state->ended;

	if (at < state->rest_until)
		return 0;
	state->busy = pause > LONGEST ? 0 : state->busy - PAUSE_COUNTS * pause;
	if (state->busy < 0)
		state->busy = 0;
	left = LONGEST - state->busy;
	return left > SHORTEST ? left : SHORTEST;
}

/* A question is over. */
static void
note(int file, struct state *state, int64_t begun, int64_t ended)
{
	state->ended = ended;
	state->busy += ended - begun;
	if (state->busy > 2 * LONGEST) /* the machine slept */
		state->busy = 2 * LONGEST;
	if (ended - begun >= LATE)
		state->rest_until = ended + REST_AFTER_LATE;
	else if (state->busy > LONGEST - SHORTEST)
		state->rest_until = ended + REST_AFTER_MANY;
	if (file != -1 && pwrite(file, state, sizeof *state, 0) == -1)
		return; /* Each question is bounded all the same. */
}

/* -- the question ------------------------------------------------------------------------- */

/* Whether the socket is ready for `events`; false when the time is over. */
static bool
ready(int link, short events, int64_t deadline)
{
	struct pollfd waiting = {.fd = link, .events = events};
	int64_t left;
	int found;

	do {
		left = deadline - now();
		if (left <= 0)
			return false;
		/* Rounded up, so as not to turn round and round in the last millisecond. */
		found = poll(&waiting, 1, (int)(left / MILLISECOND) + 1);
	} while (found == -1 && errno == EINTR);
	return found == 1;
}

/* A connected socket, or -1. A full queue of waiting questions (EAGAIN) is no answer, either. */
static int
connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int link, result;

	if (strlen(path) >= sizeof address.sun_path)
		return -1;
	strcpy(address.sun_path, path);
	link = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (link == -1)
		return -1;
	do
		result = connect(link, (struct sockaddr *)&address, sizeof address);
	while (result == -1 && errno == EINTR);
	if (result == -1) {
		close(link);
		return -1;
	}
	return link;
}

static bool
send_all(int link, const char *bytes, size_t length, int64_t deadline)
{
	ssize_t sent;

	while (length > 0) {
		sent = send(link, bytes, length, MSG_NOSIGNAL);
		if (sent > 0) {
			bytes += sent;
			length -= (size_t)sent;
		} else if (errno == EAGAIN) {
			if (!ready(link, POLLOUT, deadline))
				return false;
		} else if (errno != EINTR)
			return false;
	}
	return shutdown(link, SHUT_WR) == 0;
}

/* "right" or "wrong" and a line feed, in as many pieces as it likes; all else is no answer. */
static int
receive(int link, int64_t deadline)
{
	char answer[sizeof "right\n" - 1];
	size_t length = 0;
	ssize_t got;

	while (length < sizeof answer) {
		if (!ready(link, POLLIN, deadline))
			return PAM_AUTHINFO_UNAVAIL;
		got = recv(link, answer + length, sizeof answer - length, 0);
		if (got > 0)
			length += (size_t)got;
		else if (got == 0 || (errno != EINTR && errno != EAGAIN))
			return PAM_AUTHINFO_UNAVAIL;
	}
	if (memcmp(answer, "right\n", sizeof answer) == 0)
		return PAM_SUCCESS;
	if (memcmp(answer, "wrong\n", sizeof answer) == 0)
		return PAM_AUTH_ERR;
	return PAM_AUTHINFO_UNAVAIL;
}

/* Wipes the question as soon as it is on its way. */
static int
ask(const char *path, char *question, size_t length, int64_t deadline)
{
	int link = connect_to(path);
	bool sent = link != -1 && send_all(link, question, length, deadline);
	int answer = PAM_AUTHINFO_UNAVAIL;

	explicit_bzero(question, length);
	if (sent)
		answer = receive(link, deadline);
	if (link != -1)
		close(link);
	return answer;
}

static bool
is_address(const char *text)
{
	struct in6_addr parsed;

	return text != NULL &&
	    (inet_pton(AF_INET, text, &parsed) == 1 || inet_pton(AF_INET6, text, &parsed) == 1);
}

/* LOGIN NUL PASSWORD, and NUL ADDRESS where the service knows the client's; 0: it is too long. */
static size_t
write_question(char *question, const char *login, const char *password, const char *address)
{
	const char *parts[] = {login, password, is_address(address) ? address : NULL};
	size_t part, size, length = 0;

	for (part = 0; part < 3 && parts[part] != NULL; part++) {
		size = strlen(parts[part]) + 1;
		/* The last NUL is not sent. */
		if (size > QUESTION_SIZE + 1 - length)
			return 0;
		memcpy(question + length, parts[part], size);
		length += size;
	}
	return length - 1;
}

/* -- what PAM calls ----------------------------------------------------------------------- */

static const char *
argument(int argc, const char **argv, const char *name)
{
	size_t length = strlen(name);

	for (; argc > 0; argc--, argv++)
		if (strncmp(*argv, name, length) == 0 && (*argv)[length] == '=')
			return *argv + length + 1;
	return NULL;
}

static int
authenticate(pam_handle_t *pamh, const char *path, int64_t deadline)
{
	char question[QUESTION_SIZE + 1];
	const char *login, *password;
	const void *address = NULL;
	size_t length;

	if (pam_get_user(pamh, &login, NULL) != PAM_SUCCESS ||
	    pam_get_authtok(pamh, PAM_AUTHTOK, &password, NULL) != PAM_SUCCESS)
		return PAM_AUTHINFO_UNAVAIL;
	if (pam_get_item(pamh, PAM_RHOST, &address) != PAM_SUCCESS)
		address = NULL;
	length = write_question(question, login, password, address);
	if (length == 0) {
		explicit_bzero(question, sizeof question);
		return PAM_AUTH_ERR; /* so long is no password */
	}
	return ask(path, question, length, deadline);
}

int
pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	const char *path = argument(argc, argv, "socket");
	int64_t begun = now();
	int file = open_state(argument(argc, argv, "state"));
	struct state state = read_state(file, begun);
	int64_t longest = allowed(&state, begun);
	int answer = PAM_AUTHINFO_UNAVAIL;

	(void)flags;
	if (path != NULL && longest > 0) {
		answer = authenticate(pamh, path, begun + longest);
		note(file, &state, begun, now());
	}
	if (file != -1)
		close(file);
	return answer;
}

int
pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_SUCCESS;
}
